namespace Exo.Model.Text.Templates;

/// <summary>A parameter of a macro; its default is evaluated at each call that lacks it.</summary>
internal sealed record Parameter(string Name, Expression? Default);

/// <summary>What a macro or a call block consists of, and which of the special variables its body names.</summary>
internal sealed record MacroDefinition(string? Name, Parameter[] Parameters, Statement[] Body, bool UsesCaller, bool UsesVarargs, bool UsesKwargs);

/// <summary>{% macro name(parameters) %} ... {% endmacro %}.</summary>
internal sealed record MacroStatement(int Line, MacroDefinition Definition) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        scope.Set(Definition.Name!, new Macro(Definition, scope));
        return Flow.Next;
    }
}

/// <summary>{% call(parameters) macro(...) %} ... {% endcall %}: the macro may run the body as `caller`.</summary>
internal sealed record CallBlock(int Line, Call Call, MacroDefinition Definition) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        context.Output.Append(Repr.Str(context, Call.Invoke(context, scope, new Macro(Definition, scope))));
        return Flow.Next;
    }
}

/// <summary>A macro with the scope that it was defined in.</summary>
internal sealed class Macro(MacroDefinition definition, Scope closure) : ICallable
{
    public MacroDefinition Definition => definition;

    public string? Name => definition.Name;

    public object? Call(RenderContext context, Arguments arguments)
    {
        var scope = new Scope(closure);
        var named = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach ((string key, object? value) in arguments.Named) named[key] = value;
        Parameter[] parameters = definition.Parameters;
        for (int i = 0; i < parameters.Length; i++)
        {
            string name = parameters[i].Name;
            object? value = i < arguments.Positional.Count ? arguments.Positional[i]
                : named.Remove(name, out object? given) ? given
                : parameters[i].Default is Expression otherwise ? otherwise.Evaluate(context, scope)
                : new Undefined($"parameter {Repr.Quote(name)} was not provided");
            scope.Set(name, value);
        }

        if (definition.UsesCaller && !parameters.Any(parameter => parameter.Name == "caller"))
            scope.Set("caller", named.Remove("caller", out object? caller) && caller is not null ? caller : new Undefined("No caller defined"));
        SetRest(context, scope, arguments, named);
        return context.Capture(definition.Body, scope);
    }

    private void SetRest(RenderContext context, Scope scope, Arguments arguments, Dictionary<string, object?> named)
    {
        if (definition.UsesKwargs)
        {
            DictValue rest = context.NewDict();
            foreach ((string key, object? value) in named) rest.Set(key, value);
            scope.Set("kwargs", rest);
        }
        else if (named.Count > 0)
        {
            throw TemplateFault.Type($"macro {NameForErrors} takes no keyword argument {Repr.Quote(named.First().Key)}");
        }

        int count = definition.Parameters.Length;
        if (definition.UsesVarargs) scope.Set("varargs", new TupleValue([.. arguments.Positional.Skip(count)]));
        else if (arguments.Positional.Count > count) throw TemplateFault.Type($"macro {NameForErrors} takes not more than {count} argument(s)");
    }

    private string NameForErrors => definition.Name is null ? "None" : Repr.Quote(definition.Name);
}
