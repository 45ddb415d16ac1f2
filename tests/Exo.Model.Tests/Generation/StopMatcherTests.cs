using Exo.Model.Generation;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Model.Tests.Generation;

public sealed class StopMatcherTests
{
    [Property(MaxTest = 2000)]
    public void Any_pieces_give_what_a_naive_search_of_the_whole_gives(int seed)
    {
        var random = new Random(seed);
        string[] stops = [.. Enumerable.Range(0, random.Next(4)).Select(_ => Letters(random, random.Next(1, 5)))];
        string text = Letters(random, random.Next(30));
        var matcher = new StopMatcher(stops);
        string output = "";
        for (int at = 0; at < text.Length && !matcher.IsStopped;)
        {
            int length = Math.Min(random.Next(0, 4), text.Length - at);
            output += matcher.Append(text.Substring(at, length));
            at += length;
            Assert.StartsWith(output, Naive(text, stops), StringComparison.Ordinal);
        }
        output += matcher.Flush();
        Assert.Equal(Naive(text, stops), output);
        Assert.Equal(stops.Any(text.Contains), matcher.IsStopped);
    }

    [Fact]
    public void Text_that_cannot_begin_a_stop_string_is_not_held_back()
    {
        var matcher = new StopMatcher(["END", "\n\n"]);
        Assert.Equal("abc", matcher.Append("abcE"));
        Assert.Equal("EN!", matcher.Append("N!"));
        Assert.Equal("", matcher.Append("\n"));
        Assert.Equal("\nx", matcher.Append("x"));
    }

    /// <summary>The shortest beginning of the text that has a stop string in it ends with that string: what stands before it.</summary>
    private static string Naive(string text, string[] stops)
    {
        for (int end = 0; end <= text.Length; end++)
        {
            string[] found = [.. stops.Where(text[..end].EndsWith)];
            if (found.Length > 0) return text[..(end - found.Max(stop => stop.Length))];
        }
        return text;
    }

    private static string Letters(Random random, int count) => string.Concat(Enumerable.Range(0, count).Select(_ => (char)('a' + random.Next(2))));
}
