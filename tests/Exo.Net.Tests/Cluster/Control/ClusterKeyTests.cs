using System.Text;
using Exo.Net.Cluster.Control;
using Xunit;

namespace Exo.Net.Tests.Cluster.Control;

public sealed class ClusterKeyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("exo-key-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void First_use_creates_a_key_that_the_second_use_reads()
    {
        string path = Path.Combine(_folder, "new", "cluster.key");
        string first = ClusterKeyFile.ReadOrCreate(path).Current.Export();
        Assert.Equal(first, ClusterKeyFile.ReadOrCreate(path).Current.Export());
        Assert.Equal(64, first.Length);
        Assert.Single(Directory.GetFiles(Path.Combine(_folder, "new")));
    }

    [Fact]
    public void Many_first_uses_at_once_agree_on_one_key()
    {
        for (int round = 0; round < 50; round++)
        {
            string path = Path.Combine(_folder, $"cluster{round}.key");
            var keys = new string[8];
            Parallel.For(0, keys.Length, i => keys[i] = ClusterKeyFile.ReadOrCreate(path).Current.Export());
            Assert.Single(keys.Distinct());
        }
        Assert.Equal(50, Directory.GetFiles(_folder).Length);
    }

    [Fact]
    public void Created_file_is_only_its_owners()
    {
        if (OperatingSystem.IsWindows())
            return;
        string path = Path.Combine(_folder, "cluster.key");
        ClusterKeyFile.ReadOrCreate(path);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead, "0640")]
    [InlineData(UnixFileMode.OtherRead, "0604")]
    [InlineData(UnixFileMode.GroupWrite, "0620")]
    public void File_that_others_may_use_is_refused_by_its_mode(UnixFileMode extra, string shown)
    {
        if (OperatingSystem.IsWindows())
            return;
        string path = Path.Combine(_folder, "cluster.key");
        ClusterKeyFile.ReadOrCreate(path);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | extra);
        var refused = Assert.Throws<ClusterKeyException>(() => ClusterKeyFile.Read(path));
        Assert.Contains(shown, refused.Message, StringComparison.Ordinal);
        Assert.Contains(path, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Absent_file_is_refused_by_name()
    {
        string path = Path.Combine(_folder, "nowhere.key");
        Assert.Contains(path, Assert.Throws<ClusterKeyException>(() => ClusterKeyFile.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Hexadecimal_and_base64_are_the_same_key()
    {
        string hex = ClusterKey.Create().Export();
        string base64 = Convert.ToBase64String(Convert.FromHexString(hex));
        Assert.Equal(hex, ClusterKey.Parse($"  {base64}\n").Export());
        Assert.Equal(hex, ClusterKey.Parse(hex.ToUpperInvariant()).Export());
    }

    [Theory]
    [InlineData("")]
    [InlineData("password")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("a1b2c3d4")]
    [InlineData("zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")]
    public void Text_that_is_no_key_is_refused_and_not_quoted(string text)
    {
        var refused = Assert.Throws<ClusterKeyException>(() => ClusterKey.Parse(text));
        if (text.Length > 0)
            Assert.DoesNotContain(text, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_lines_are_the_current_key_and_the_next_and_three_are_refused()
    {
        var (a, b, c) = (ClusterKey.Create(), ClusterKey.Create(), ClusterKey.Create());
        var keys = ClusterKeys.Parse($"# rotation\n{a.Export()}\r\n\n{b.Export()}\n");
        Assert.Equal(a.Export(), keys.Current.Export());
        Assert.Equal(b.Export(), keys.Next?.Export());
        Assert.Throws<ClusterKeyException>(() => ClusterKeys.Parse($"{a.Export()}\n{b.Export()}\n{c.Export()}\n"));
        Assert.Throws<ClusterKeyException>(() => ClusterKeys.Parse("# nothing\n"));
    }

    [Fact]
    public void Key_line_of_a_stream_is_read_and_nothing_after_it()
    {
        string hex = ClusterKey.Create().Export();
        using var stream = new MemoryStream(Encoding.ASCII.GetBytes(hex + "\nrest"));
        Assert.Equal(hex, ClusterKeyFile.ReadLine(stream).Current.Export());
        Assert.Equal("rest", new StreamReader(stream).ReadToEnd());
    }

    [Fact]
    public void Endless_line_is_refused()
    {
        using var stream = new MemoryStream(new byte[100_000].Select(_ => (byte)'a').ToArray());
        Assert.Throws<ClusterKeyException>(() => ClusterKeyFile.ReadLine(stream));
        Assert.True(stream.Position <= 256);
    }

    [Fact]
    public void Key_does_not_print_itself()
    {
        var key = ClusterKey.Create();
        Assert.DoesNotContain(key.Export(), $"{key} {new ClusterKeys(key)}", StringComparison.Ordinal);
    }
}
