namespace Exo.Model.Text.Templates;

/// <summary>What happens after a statement.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>A piece of a template that does something.</summary>
internal abstract record Statement(int Line)
{
    protected abstract Flow Run(RenderContext context, Scope scope);

    public static Flow RunAll(Statement[] body, RenderContext context, Scope scope)
    {
        foreach (Statement statement in body)
        {
            context.Budget.PayNode();
            context.Line = statement.Line;
            Flow flow = statement.Run(context, scope);
            if (flow != Flow.Next) return flow;
        }

        return Flow.Next;
    }
}

internal sealed record TextStatement(int Line, string Text) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        context.Output.Append(Text);
        return Flow.Next;
    }
}

internal sealed record Print(int Line, Expression[] Values) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        foreach (Expression value in Values) context.Output.Append(Repr.Str(context, value.Evaluate(context, scope)));
        return Flow.Next;
    }
}

internal sealed record If(int Line, (Expression Test, Statement[] Body)[] Branches, Statement[] Else) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        foreach ((Expression test, Statement[] body) in Branches)
            if (Types.IsTrue(test.Evaluate(context, scope))) return RunAll(body, context, scope);
        return RunAll(Else, context, scope);
    }
}

internal sealed record LoopControl(int Line, Flow Flow) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope) => Flow;
}

/// <summary>{% set target = value %}.</summary>
internal sealed record Set(int Line, Target Target, Expression Value) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        Target.Assign(context, scope, Value.Evaluate(context, scope));
        return Flow.Next;
    }
}

/// <summary>{% set target | filter %} ... {% endset %}: the target becomes what the body prints.</summary>
internal sealed record SetBlock(int Line, Target Target, FilterExpression? Filter, Statement[] Body) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        string text = context.Capture(Body, new Scope(scope));
        Target.Assign(context, scope, Filter is null ? text : Filter.Apply(context, scope, text));
        return Flow.Next;
    }
}

internal sealed record With(int Line, (Target Target, Expression Value)[] Values, Statement[] Body) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        var inner = new Scope(scope);
        foreach ((Target target, Expression value) in Values) target.Assign(context, inner, value.Evaluate(context, scope));
        return RunAll(Body, context, inner);
    }
}

/// <summary>{% filter name %} ... {% endfilter %}.</summary>
internal sealed record FilterBlock(int Line, FilterExpression Filter, Statement[] Body) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope)
    {
        var inner = new Scope(scope);
        context.Output.Append(Repr.Str(context, Filter.Apply(context, inner, context.Capture(Body, inner))));
        return Flow.Next;
    }
}

/// <summary>{% generation %} marks what the model writes, {% block %} what a child template might replace: both print their body.</summary>
internal sealed record ScopedBody(int Line, Statement[] Body) : Statement(Line)
{
    protected override Flow Run(RenderContext context, Scope scope) => RunAll(Body, context, new Scope(scope));
}

/// <summary>What can be assigned to.</summary>
internal abstract record Target
{
    public abstract void Assign(RenderContext context, Scope scope, object? value);
}

internal sealed record NameTarget(string Name) : Target
{
    public override void Assign(RenderContext context, Scope scope, object? value) => scope.Set(Name, value);
}

internal sealed record NamespaceTarget(string Name, string Attribute) : Target
{
    public override void Assign(RenderContext context, Scope scope, object? value)
    {
        scope.TryGet(Name, out object? target);
        if (target is not NamespaceValue names) throw TemplateFault.Runtime("cannot assign attribute on non-namespace object");
        names.Attributes[Attribute] = value;
    }
}

internal sealed record TupleTarget(Target[] Targets) : Target
{
    public override void Assign(RenderContext context, Scope scope, object? value)
    {
        List<object?> values = [.. Types.Elements(context, value).Take(Targets.Length + 1)];
        if (values.Count > Targets.Length) throw TemplateFault.Value($"too many values to unpack (expected {Targets.Length})");
        if (values.Count < Targets.Length)
            throw TemplateFault.Value($"not enough values to unpack (expected {Targets.Length}, got {values.Count})");
        for (int i = 0; i < values.Count; i++) Targets[i].Assign(context, scope, values[i]);
    }
}
