namespace Exo.Model.Text.Templates;

/// <summary>A piece of a template that has a value.</summary>
internal abstract record Expression(int Line)
{
    /// <summary>The value; one step is paid for.</summary>
    public object? Evaluate(RenderContext context, Scope scope)
    {
        context.Budget.PayNode();
        return Value(context, scope);
    }

    protected abstract object? Value(RenderContext context, Scope scope);
}

internal sealed record Constant(int Line, object? Literal) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope) => Literal;
}

internal sealed record NameExpression(int Line, string Name) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope) =>
        scope.TryGet(Name, out object? value) ? value
        : Globals.TryGet(Name, out object? global) ? global
        : Undefined.Name(Name);
}

internal sealed record ListExpression(int Line, Expression[] Items) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope) => new ListValue([.. Items.Select(item => item.Evaluate(context, scope))]);
}

internal sealed record TupleExpression(int Line, Expression[] Items) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope) => new TupleValue([.. Items.Select(item => item.Evaluate(context, scope))]);
}

internal sealed record DictExpression(int Line, (Expression Key, Expression Value)[] Entries) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        DictValue dict = context.NewDict();
        foreach ((Expression key, Expression value) in Entries) dict.Set(key.Evaluate(context, scope), value.Evaluate(context, scope));
        return dict;
    }
}

internal sealed record Conditional(int Line, Expression Test, Expression Then, Expression? Else) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        if (Types.IsTrue(Test.Evaluate(context, scope))) return Then.Evaluate(context, scope);
        return Else is null
            ? new Undefined("the inline if-expression evaluated to false and no else section was defined.")
            : Else.Evaluate(context, scope);
    }
}

/// <summary>`and` and `or`: the last operand that was needed, not its truth.</summary>
internal sealed record Logical(int Line, bool IsAnd, Expression Left, Expression Right) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        object? left = Left.Evaluate(context, scope);
        return Types.IsTrue(left) == IsAnd ? Right.Evaluate(context, scope) : left;
    }
}

internal sealed record Not(int Line, Expression Operand) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope) => !Types.IsTrue(Operand.Evaluate(context, scope));
}

internal sealed record Unary(int Line, string Symbol, Expression Operand) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        object? operand = Operand.Evaluate(context, scope);
        return Symbol == "-" ? Arithmetic.Negate(operand) : Arithmetic.Plus(operand);
    }
}

internal sealed record Binary(int Line, string Symbol, Expression Left, Expression Right) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        object? left = Left.Evaluate(context, scope), right = Right.Evaluate(context, scope);
        context.Line = Line;
        return Arithmetic.Apply(context, Symbol, left, right);
    }
}

/// <summary>a &lt; b &lt;= c ...: each operand evaluated once, as far as needed.</summary>
internal sealed record Comparison(int Line, Expression First, (string Symbol, Expression Operand)[] Rest) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        object? left = First.Evaluate(context, scope);
        foreach ((string symbol, Expression operand) in Rest)
        {
            object? right = operand.Evaluate(context, scope);
            context.Line = Line;
            if (!Operators.Holds(context, symbol, left, right)) return false;
            left = right;
        }

        return true;
    }
}

/// <summary>a ~ b ~ c.</summary>
internal sealed record Concatenation(int Line, Expression[] Parts) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        var text = new PaidText(context.Budget);
        foreach (Expression part in Parts) text.Append(Repr.Str(context, part.Evaluate(context, scope)));
        return text.ToString();
    }
}

internal sealed record AttributeExpression(int Line, Expression Target, string Name) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        object? target = Target.Evaluate(context, scope);
        context.Line = Line;
        return Attributes.Get(context, target, Name);
    }
}

internal sealed record ItemExpression(int Line, Expression Target, Expression Key) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        object? target = Target.Evaluate(context, scope), key = Key.Evaluate(context, scope);
        context.Line = Line;
        return Attributes.Item(context, target, key);
    }
}

internal sealed record SliceExpression(int Line, Expression Target, Expression? Start, Expression? Stop, Expression? Step) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        object? target = Target.Evaluate(context, scope);
        object? start = Start?.Evaluate(context, scope), stop = Stop?.Evaluate(context, scope), step = Step?.Evaluate(context, scope);
        context.Line = Line;
        return Attributes.Slice(context, target, start, stop, step);
    }
}

/// <summary>The arguments as a call writes them: plain, by name, *list and **dict.</summary>
internal sealed record CallArguments(Expression[] Positional, (string Name, Expression Value)[] Named, Expression? Rest, Expression? RestNamed)
{
    public static CallArguments None { get; } = new([], [], null, null);

    public Arguments Evaluate(RenderContext context, Scope scope, Macro? caller = null)
    {
        List<object?> positional = [.. Positional.Select(argument => argument.Evaluate(context, scope))];
        var named = new List<KeyValuePair<string, object?>>();
        foreach ((string name, Expression value) in Named) named.Add(new(name, value.Evaluate(context, scope)));
        if (caller is not null) named.Add(new("caller", caller));
        if (Rest is not null) positional.AddRange(Types.Elements(context, Rest.Evaluate(context, scope)));
        if (RestNamed is not null)
        {
            if (RestNamed.Evaluate(context, scope) is not DictValue dict) throw TemplateFault.Type("argument after ** must be a mapping");
            context.Budget.Pay(dict.Count);
            foreach ((object? key, object? value) in dict.Entries)
                named.Add(new(key as string ?? throw TemplateFault.Type("keywords must be strings"), value));
        }

        return new Arguments(positional, named);
    }
}

internal sealed record Call(int Line, Expression Target, CallArguments Arguments) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope) => Invoke(context, scope, null);

    public object? Invoke(RenderContext context, Scope scope, Macro? caller)
    {
        object? target = Target.Evaluate(context, scope);
        Arguments arguments = Arguments.Evaluate(context, scope, caller);
        context.Line = Line;
        if (target is Undefined undefined) throw undefined.Fault;
        if (target is not ICallable callable) throw TemplateFault.Type($"'{Types.NameOf(target)}' object is not callable");
        return callable.Call(context, arguments);
    }
}

/// <summary>value | name(...). The value is null inside a filter block, which supplies it.</summary>
internal sealed record FilterExpression(int Line, Expression? Input, string Name, CallArguments Arguments) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope) => Apply(context, scope, null);

    /// <summary>Applies this filter, and those to its left, to <paramref name="text"/> at the innermost.</summary>
    public object? Apply(RenderContext context, Scope scope, string? text)
    {
        object? input = Input switch
        {
            null => text,
            FilterExpression inner when text is not null => inner.Apply(context, scope, text),
            _ => Input.Evaluate(context, scope),
        };
        Arguments arguments = Arguments.Evaluate(context, scope);
        context.Line = Line;
        return Filters.Apply(context, Name, input, arguments);
    }
}

internal sealed record TestExpression(int Line, Expression Input, string Name, CallArguments Arguments) : Expression(Line)
{
    protected override object? Value(RenderContext context, Scope scope)
    {
        object? input = Input.Evaluate(context, scope);
        Arguments arguments = Arguments.Evaluate(context, scope);
        context.Line = Line;
        return Tests.Holds(context, Name, input, arguments);
    }
}
