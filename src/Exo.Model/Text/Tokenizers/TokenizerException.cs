namespace Exo.Model.Text;

/// <summary>
/// A tokenizer file that is missing, damaged or of a kind that is not supported; the message names the file, the field
/// (as a path such as <c>pre_tokenizer.pretokenizers[1].pattern.Regex</c>), what was expected and what came.
/// </summary>
public sealed class TokenizerException : Exception
{
    /// <param name="file">The file (or the name given to <see cref="Tokenizer.Parse"/>).</param>
    /// <param name="field">Path of the field inside the file, empty for the file as a whole.</param>
    /// <param name="problem">What was expected and what came.</param>
    /// <param name="cause">The exception that told, if any.</param>
    public TokenizerException(string file, string field, string problem, Exception? cause = null)
        : base(field.Length == 0 ? $"{file}: {problem}" : $"{file}: {field}: {problem}", cause)
    {
        File = file;
        Field = field;
    }

    /// <summary>The file that is at fault.</summary>
    public string File { get; }

    /// <summary>Path of the field inside the file; empty for the file as a whole.</summary>
    public string Field { get; }
}
