namespace Exo.Model.Text.Templates;

/// <summary>The filters that take another filter or a test by name: map, select, reject, selectattr, rejectattr.</summary>
internal static class Selection
{
    private static readonly Signature s_attribute = new("map", "attribute default?");

    public static Generator Map(RenderContext context, object? value, Arguments arguments)
    {
        Func<object?, object?> change;
        if (arguments.Positional.Count == 0 && arguments.Named.Any(argument => argument.Key == "attribute"))
        {
            Bound bound = s_attribute.Bind(context, arguments);
            change = ItemKey.Of(context, bound[0], bound.OrNull(1), IgnoreCase: false);
        }
        else
        {
            if (arguments.Positional.Count == 0) throw TemplateFault.Value("map requires a filter argument");
            string name = Name(arguments, 0);
            if (!Filters.Exists(name)) throw TemplateFault.Runtime($"No filter named {Repr.Quote(name)}.");
            Arguments rest = arguments with { Positional = [.. arguments.Positional.Skip(1)] };
            change = item => Nested(context, () => Filters.Apply(context, name, item, rest));
        }

        return new Generator(Types.IsTrue(value) ? Types.Elements(context, value).Select(change) : []);
    }

    public static Generator Select(RenderContext context, string filter, object? value, Arguments arguments)
    {
        bool byAttribute = filter.EndsWith("attr", StringComparison.Ordinal), keep = filter.StartsWith("select", StringComparison.Ordinal);
        int used = byAttribute ? 1 : 0;
        if (arguments.Positional.Count < used) throw TemplateFault.Value("Missing parameter for attribute name");
        Func<object?, object?> key = ItemKey.Of(context, byAttribute ? arguments.Positional[0] : null, null, IgnoreCase: false);
        Func<object?, bool> holds = Types.IsTrue;
        if (arguments.Positional.Count > used)
        {
            string name = Name(arguments, used);
            if (!Tests.Exists(name)) throw TemplateFault.Runtime($"No test named {Repr.Quote(name)}.");
            Arguments rest = arguments with { Positional = [.. arguments.Positional.Skip(used + 1)] };
            holds = item => Tests.Holds(context, name, item, rest);
        }

        return new Generator(Types.IsTrue(value) ? Types.Elements(context, value).Where(item => holds(key(item)) == keep) : []);
    }

    private static string Name(Arguments arguments, int index) => Types.TextOrNull(arguments.Positional[index])
        ?? throw TemplateFault.Type($"the name of a filter or test must be a str, not {Types.NameOf(arguments.Positional[index])}");

    // A map of a map of a map ... is as deep as a macro that calls itself.
    private static object? Nested(RenderContext context, Func<object?> body)
    {
        context.Budget.Enter();
        object? result = body();
        context.Budget.Leave();
        return result;
    }
}
