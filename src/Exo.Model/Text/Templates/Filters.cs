namespace Exo.Model.Text.Templates;

/// <summary>The filters of Jinja2, but for those that draw lots (random) or write links and print layouts (urlize, pprint).</summary>
internal static partial class Filters
{
    internal delegate object? Body(RenderContext context, object? value, Bound arguments);

    private static readonly Dictionary<string, (Signature? Signature, Body Body)> s_filters = Build();

    public static bool Exists(string name) => name is "map" or "select" or "reject" or "selectattr" or "rejectattr" or "format"
        || s_filters.ContainsKey(name);

    public static object? Apply(RenderContext context, string name, object? value, Arguments arguments)
    {
        switch (name)
        {
            case "map":
                return Selection.Map(context, value, arguments);
            case "select" or "reject" or "selectattr" or "rejectattr":
                return Selection.Select(context, name, value, arguments);
            case "format":
                return Format(context, value, arguments);
        }

        if (!s_filters.TryGetValue(name, out (Signature? Signature, Body Body) filter))
            throw new TemplateFault(ChatTemplateError.UnknownName, $"No filter named {Repr.Quote(name)}.");
        return filter.Body(context, value, filter.Signature!.Bind(context, arguments));
    }

    private static Dictionary<string, (Signature?, Body)> Build()
    {
        var filters = new Dictionary<string, (Signature?, Body)>(StringComparer.Ordinal);
        void Add(string name, string parameters, Body body) => filters.Add(name, (new Signature(name, parameters), body));
        AddGeneral(Add);
        AddNumbers(Add);
        AddText(Add);
        AddMarkup(Add);
        AddSequences(Add);
        AddOrder(Add);
        return filters;
    }

    private static void AddGeneral(Action<string, string, Body> add)
    {
        static object? Default(object? value, Bound a) =>
            value is Undefined || (a.Flag(1) && !Types.IsTrue(value)) ? (a.Has(0) ? a[0] : "") : value;
        add("default", "default_value? boolean?", (_, value, a) => Default(value, a));
        add("d", "default_value? boolean?", (_, value, a) => Default(value, a));
        add("attr", "name", (context, value, a) => Attributes.Get(context, value, a.Text(0)) is var found && value is DictValue
            ? (ContainerMethods.Find(value, a.Text(0)) ?? Attributes.NoAttribute(value, a.Text(0))) : found);
        add("string", "", (context, value, _) => value is Markup ? value : Repr.Str(context, value));
        add("tojson", "ensure_ascii? indent? separators? sort_keys?", (context, value, a) => JsonText.Dump(context, value, StyleOf(context, a)));
    }

    private static JsonStyle StyleOf(RenderContext context, Bound a)
    {
        string? indent = a.OrNull(1) switch
        {
            null => null,
            string text => text,
            _ => new string(' ', Math.Clamp(a.Int(1, 0), 0, 1000)),
        };
        (string item, string key) = (indent is null ? ", " : ",", ": ");
        if (a.OrNull(2) is not null)
        {
            List<object?> pair = Types.ToList(context, a[2]);
            if (pair is not [string first, string second]) throw TemplateFault.Value("separators must be two strings");
            (item, key) = (first, second);
        }

        return new JsonStyle(indent, item, key, a.Flag(3), a.Flag(0));
    }

    private static string Format(RenderContext context, object? value, Arguments arguments)
    {
        if (arguments.Positional.Count > 0 && arguments.Named.Count > 0)
            throw TemplateFault.Value("can't handle positional and keyword arguments at the same time");
        DictValue named = context.NewDict();
        foreach ((string key, object? given) in arguments.Named) named.Set(key, given);
        object given2 = named.Count > 0 ? named : new TupleValue([.. arguments.Positional]);
        return PercentFormat.Apply(context, Repr.Str(context, value), given2);
    }
}
