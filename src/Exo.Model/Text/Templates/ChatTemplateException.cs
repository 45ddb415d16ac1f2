namespace Exo.Model.Text;

/// <summary>What went wrong in a chat template. The names on the right are those of Jinja2 and Python.</summary>
public enum ChatTemplateError
{
    /// <summary>The source is not a template (TemplateSyntaxError).</summary>
    Syntax,

    /// <summary>A filter or a test that does not exist (TemplateAssertionError).</summary>
    UnknownName,

    /// <summary>Something undefined was used as if it had a value (UndefinedError).</summary>
    Undefined,

    /// <summary>An operation on values of the wrong type (TypeError).</summary>
    Type,

    /// <summary>The right type, but a value that will not do (ValueError, OverflowError, FilterArgumentError).</summary>
    Value,

    /// <summary>Division by zero (ZeroDivisionError).</summary>
    ZeroDivision,

    /// <summary>Something that the sandbox forbids (SecurityError).</summary>
    Security,

    /// <summary>The template itself refused its input: raise_exception (TemplateError).</summary>
    Raised,

    /// <summary>A rule of the template language was broken while rendering (TemplateRuntimeError).</summary>
    Runtime,

    /// <summary>Too many steps, too deep, too long or too slow: see <see cref="ChatTemplateLimits"/>.</summary>
    Limit,

    /// <summary>A model's template files cannot be read: tokenizer_config.json is malformed, or names no usable template.</summary>
    File,
}

/// <summary>A chat template could not be parsed or rendered. Says which template, where in it, and why.</summary>
public sealed class ChatTemplateException : Exception
{
    public ChatTemplateException(ChatTemplateError error, string template, int line, string reason, Exception? inner = null)
        : base($"{template}{(line > 0 ? $", line {line}" : "")}: {NameOf(error)}: {reason}", inner)
    {
        Error = error;
        Template = template;
        Line = line;
        Reason = reason;
    }

    /// <summary>The kind of error.</summary>
    public ChatTemplateError Error { get; }

    /// <summary>The template's name (its file).</summary>
    public string Template { get; }

    /// <summary>The line in the template, counted from 1; 0 where none applies.</summary>
    public int Line { get; }

    /// <summary>The error's name in Jinja2 or Python, such as UndefinedError; TemplateLimitError and TemplateFileError are ours.</summary>
    public string ErrorName => NameOf(Error);

    /// <summary>The reason alone, in Jinja2's words where it has some; for <see cref="ChatTemplateError.Raised"/> the template's own.</summary>
    public string Reason { get; }

    private static string NameOf(ChatTemplateError error) => error switch
    {
        ChatTemplateError.Syntax => "TemplateSyntaxError",
        ChatTemplateError.UnknownName => "TemplateAssertionError",
        ChatTemplateError.Undefined => "UndefinedError",
        ChatTemplateError.Type => "TypeError",
        ChatTemplateError.Value => "ValueError",
        ChatTemplateError.ZeroDivision => "ZeroDivisionError",
        ChatTemplateError.Security => "SecurityError",
        ChatTemplateError.Raised => "TemplateError",
        ChatTemplateError.Runtime => "TemplateRuntimeError",
        ChatTemplateError.Limit => "TemplateLimitError",
        _ => "TemplateFileError",
    };
}
