namespace Exo.Testing.Kernels;

/// <summary>Random numbers that make a wrong order of additions visible: signs mixed, sizes apart, now and then a zero.</summary>
public static class RandomValues
{
    /// <summary>A value in (-2, 2); about one in 16 is 0.</summary>
    public static float Uniform(Random random) =>
        random.Next(16) == 0 ? 0f : (float)((random.NextDouble() * 2) - 1) * (random.Next(2) == 0 ? 2f : 0.25f);

    /// <summary>Values as above.</summary>
    public static float[] Uniform(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) values[i] = Uniform(random);
        return values;
    }

    /// <summary>The numbers 0..count-1 in random order.</summary>
    public static int[] Shuffled(Random random, int count)
    {
        int[] numbers = [.. Enumerable.Range(0, count)];
        random.Shuffle(numbers);
        return numbers;
    }

    /// <summary><paramref name="numParts"/> + 1 ascending bounds from start to end; parts may be empty only where there is no room.</summary>
    public static int[] Bounds(Random random, int start, int end, int numParts)
    {
        int[] bounds = new int[numParts + 1];
        bounds[0] = start;
        bounds[numParts] = end;
        for (int i = 1; i < numParts; i++)
        {
            int lowest = Math.Min(bounds[i - 1] + 1, end), highest = Math.Max(lowest, end - (numParts - i));
            bounds[i] = random.Next(lowest, lowest + ((highest - lowest) * 2 / (numParts - i + 1)) + 1);
        }
        return bounds;
    }
}
