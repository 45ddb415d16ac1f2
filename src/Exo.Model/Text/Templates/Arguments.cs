using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>The arguments of one call.</summary>
internal sealed record Arguments(IReadOnlyList<object?> Positional, IReadOnlyList<KeyValuePair<string, object?>> Named)
{
    public static Arguments None { get; } = new([], []);
}

/// <summary>
/// A function's name and parameters, in a short notation: "old new count?" has two that must be given and one that may be missing.
/// </summary>
internal sealed class Signature
{
    private readonly string _function;
    private readonly string[] _names;
    private readonly int _required;

    public Signature(string function, string parameters)
    {
        _function = function;
        string[] names = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        _required = names.Count(name => !name.EndsWith('?'));
        _names = [.. names.Select(name => name.TrimEnd('?'))];
    }

    /// <summary>Puts arguments into the order of the parameters, as Python does; a fault where they do not fit.</summary>
    public Bound Bind(RenderContext context, Arguments arguments)
    {
        if (arguments.Positional.Count > _names.Length)
            throw TemplateFault.Type($"{_function}() takes at most {_names.Length} arguments ({arguments.Positional.Count} given)");
        var values = new object?[_names.Length];
        Array.Fill(values, Missing.Value);
        for (int i = 0; i < arguments.Positional.Count; i++) values[i] = arguments.Positional[i];
        foreach ((string name, object? value) in arguments.Named)
        {
            int i = Array.IndexOf(_names, name);
            if (i < 0) throw TemplateFault.Type($"{_function}() got an unexpected keyword argument '{name}'");
            if (values[i] is not Missing) throw TemplateFault.Type($"{_function}() got multiple values for argument '{name}'");
            values[i] = value;
        }

        foreach (object? value in values)
            if (Types.TextOrNull(value) is string text) context.Budget.PayText(text.Length);
        for (int i = 0; i < _required; i++)
            if (values[i] is Missing) throw TemplateFault.Type($"{_function}() missing required argument: '{_names[i]}'");
        return new Bound(context, _function, _names, values);
    }
}

/// <summary>Arguments in the order of the parameters, read with the type that the function wants.</summary>
internal readonly struct Bound(RenderContext context, string function, string[] names, object?[] values)
{
    public object? this[int index] => values[index];

    public bool Has(int index) => values[index] is not Missing;

    /// <summary>The value, or null where it is missing or None.</summary>
    public object? OrNull(int index) => Has(index) ? values[index] : null;

    public string Text(int index) => Types.TextOrNull(values[index]) ?? throw Wrong(index, "str");

    public string? TextOrNull(int index) => OrNull(index) is null ? null : Text(index);

    /// <summary>str(value), or <paramref name="otherwise"/> where it is missing.</summary>
    public string Str(int index, string otherwise) => Has(index) ? Repr.Str(context, values[index]) : otherwise;

    /// <summary>An int, clamped to .NET's; a missing one is <paramref name="otherwise"/>.</summary>
    public int Int(int index, int otherwise) => !Has(index) ? otherwise
        : Number.TryInteger(values[index], out BigInteger number) ? Number.Clamp(number)
        : throw Wrong(index, "int");

    /// <summary>The truth of a value; a missing one is false.</summary>
    public bool Flag(int index) => Has(index) && Types.IsTrue(values[index]);

    private TemplateFault Wrong(int index, string expected) => values[index] is Undefined undefined
        ? undefined.Fault
        : TemplateFault.Type($"{function}() argument '{names[index]}' must be {expected}, not {Types.NameOf(values[index])}");
}

/// <summary>A method of a value, together with that value.</summary>
internal sealed class BoundMethod(object? target, string name, Func<RenderContext, Arguments, object?> body) : ICallable
{
    public object? Target => target;

    public string Name => name;

    public object? Call(RenderContext context, Arguments arguments) => body(context, arguments);
}

/// <summary>A function of the template language.</summary>
internal sealed class Function(string name, string parameters, Func<RenderContext, Bound, object?> body) : ICallable
{
    private readonly Signature _signature = new(name, parameters);

    public object? Call(RenderContext context, Arguments arguments) => body(context, _signature.Bind(context, arguments));
}
