using Exo.Kernels.Numerics;

namespace Exo.Model.Layers;

/// <summary>
/// Inverse frequencies of rotary embeddings, by our own double arithmetic: the same on every machine. Formulas: RoPE (arXiv 2104.09864),
/// YaRN (arXiv 2309.00071), and Hugging Face's `modeling_rope_utils` for linear, dynamic and llama3. Used by one thread.
/// </summary>
public sealed class Rope
{
    private const int MaxStretched = 256;
    private readonly RopeConfig _config;
    private readonly double[] _frequencies;
    private readonly Dictionary<int, double[]> _stretched = []; // dynamic: by admitted limit

    /// <summary>Frequencies for heads of which <paramref name="rotaryDim"/> elements are rotated.</summary>
    public Rope(RopeConfig config, int rotaryDim)
    {
        if (rotaryDim % 2 != 0) throw new ModelException($"config.json: a rotated width of {rotaryDim} is odd");
        _config = config;
        RotaryDim = rotaryDim;
        _frequencies = config.RopeType switch
        {
            "linear" => [.. Plain(config.RopeTheta, rotaryDim).Select(f => f / config.Factor)],
            "llama3" => [.. Plain(config.RopeTheta, rotaryDim).Select(Llama3)],
            "yarn" => Yarn(),
            _ => Plain(config.RopeTheta, rotaryDim),
        };
        Scale = config.RopeType == "yarn" ? YarnScale() : 1;
    }

    /// <summary>Elements of a head that are rotated.</summary>
    public int RotaryDim { get; }

    /// <summary>Multiplies cosines and sines.</summary>
    public double Scale { get; }

    /// <summary>
    /// [rotaryDim / 2], highest first. The dynamic type stretches its base where the sequence was admitted for more positions than the
    /// model was trained on; the choice is made once a sequence, so that its cache stays valid.
    /// </summary>
    public double[] InverseFrequencies(int admittedLimit)
    {
        if (_config.RopeType != "dynamic" || admittedLimit <= _config.OriginalMaxPositionEmbeddings) return _frequencies;
        if (_stretched.TryGetValue(admittedLimit, out double[]? known)) return known;
        if (_stretched.Count == MaxStretched) _stretched.Clear();
        double stretch = (_config.Factor * admittedLimit / _config.OriginalMaxPositionEmbeddings) - (_config.Factor - 1);
        double theta = _config.RopeTheta * Fp.Pow(stretch, (double)RotaryDim / (RotaryDim - 2));
        return _stretched[admittedLimit] = Plain(theta, RotaryDim);
    }

    /// <summary>YaRN's attention temperature, 0.1 * mscale * ln(factor) + 1.</summary>
    public static double YarnTemperature(double factor, double mscale) => factor <= 1 ? 1 : (0.1 * mscale * Fp.Log(factor)) + 1;

    private static double[] Plain(double theta, int rotaryDim) =>
        [.. Enumerable.Range(0, rotaryDim / 2).Select(i => 1 / Fp.Pow(theta, 2.0 * i / rotaryDim))];

    private double Llama3(double frequency)
    {
        double wavelength = 2 * Math.PI / frequency, original = _config.OriginalMaxPositionEmbeddings;
        if (wavelength < original / _config.HighFreqFactor) return frequency;
        if (wavelength > original / _config.LowFreqFactor) return frequency / _config.Factor;
        double smooth = ((original / wavelength) - _config.LowFreqFactor) / (_config.HighFreqFactor - _config.LowFreqFactor);
        return ((1 - smooth) * frequency / _config.Factor) + (smooth * frequency);
    }

    private double[] Yarn()
    {
        double low = CorrectionDim(_config.BetaFast), high = CorrectionDim(_config.BetaSlow);
        if (_config.Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, RotaryDim - 1));
        if (low == high) high += 0.001;
        double[] plain = Plain(_config.RopeTheta, RotaryDim);
        for (int i = 0; i < plain.Length; i++)
        {
            double ramp = Math.Clamp((i - low) / (high - low), 0, 1);
            plain[i] = (plain[i] / _config.Factor * ramp) + (plain[i] * (1 - ramp));
        }
        return plain;
    }

    private double CorrectionDim(double rotations) =>
        RotaryDim * Fp.Log(_config.OriginalMaxPositionEmbeddings / (rotations * 2 * Math.PI)) / (2 * Fp.Log(_config.RopeTheta));

    private double YarnScale()
    {
        if (_config.AttentionFactor is double given) return given;
        if (_config.Mscale != 0 && _config.MscaleAllDim != 0)
            return YarnTemperature(_config.Factor, _config.Mscale) / YarnTemperature(_config.Factor, _config.MscaleAllDim);
        return YarnTemperature(_config.Factor, 1);
    }
}
