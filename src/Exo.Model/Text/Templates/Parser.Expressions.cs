using System.Text;

namespace Exo.Model.Text.Templates;

internal sealed partial class Parser
{
    /// <summary>An expression, or several with commas between them, which make a tuple.</summary>
    private Expression Tuple(bool conditional = true, string? end = null, bool inParentheses = false)
    {
        int line = Current.Line;
        var items = new List<Expression>();
        bool isTuple = false;
        while (true)
        {
            if (AtTupleEnd(end)) break;
            items.Add(Expression(conditional));
            if (!SkipOperator(",")) break;
            isTuple = true;
        }

        if (isTuple) return new TupleExpression(line, [.. items]);
        if (items.Count > 0) return items[0];
        if (inParentheses) return new TupleExpression(line, []);
        throw Error($"Expected an expression, got '{Current.Describe()}'", Current.Line);
    }

    private bool AtTupleEnd(string? end) => Current.Kind is TokenKind.PrintEnd or TokenKind.BlockEnd
        || Current.IsOperator(")") || (end is not null && Current.IsName(end));

    private Expression Expression(bool conditional = true)
    {
        Enter();
        Expression value = Or();
        while (conditional && Current.IsName("if"))
        {
            int line = Next().Line;
            Expression test = Or();
            value = new Conditional(line, test, value, SkipName("else") ? Expression() : null);
        }

        _depth--;
        return value;
    }

    private Expression Or()
    {
        Expression left = And();
        while (Current.IsName("or")) left = new Logical(Next().Line, IsAnd: false, left, And());
        return left;
    }

    private Expression And()
    {
        Expression left = NotOrComparison();
        while (Current.IsName("and")) left = new Logical(Next().Line, IsAnd: true, left, NotOrComparison());
        return left;
    }

    private Expression NotOrComparison()
    {
        if (!Current.IsName("not")) return Compared();
        int line = Next().Line;
        Enter();
        var not = new Not(line, NotOrComparison());
        _depth--;
        return not;
    }

    private Expression Compared()
    {
        int line = Current.Line;
        Expression first = Sum();
        var rest = new List<(string, Expression)>();
        while (ComparisonSymbol() is string symbol) rest.Add((symbol, Sum()));
        return rest.Count == 0 ? first : new Comparison(line, first, [.. rest]);
    }

    private string? ComparisonSymbol()
    {
        if (Current is { Kind: TokenKind.Operator, Text: "==" or "!=" or "<" or "<=" or ">" or ">=" }) return Next().Text;
        if (SkipName("in")) return "in";
        if (!Current.IsName("not") || !Peek().IsName("in")) return null;
        _at += 2;
        return "not in";
    }

    private Expression Sum()
    {
        Expression left = Joined();
        while (Current is { Kind: TokenKind.Operator, Text: "+" or "-" })
        {
            Token symbol = Next();
            left = new Binary(symbol.Line, symbol.Text, left, Joined());
        }

        return left;
    }

    private Expression Joined()
    {
        Expression first = Product();
        if (!Current.IsOperator("~")) return first;
        var parts = new List<Expression> { first };
        int line = Current.Line;
        while (SkipOperator("~")) parts.Add(Product());
        return new Concatenation(line, [.. parts]);
    }

    private Expression Product()
    {
        Expression left = Power();
        while (Current is { Kind: TokenKind.Operator, Text: "*" or "/" or "//" or "%" })
        {
            Token symbol = Next();
            left = new Binary(symbol.Line, symbol.Text, left, Power());
        }

        return left;
    }

    private Expression Power()
    {
        Expression left = Signed();
        while (Current.IsOperator("**"))
        {
            Token symbol = Next();
            left = new Binary(symbol.Line, symbol.Text, left, Signed());
        }

        return left;
    }

    // A sign binds tighter than anything but a postfix: -2 ** 2 is 4, and -3 | abs is 3.
    private Expression Signed(bool withFilters = true)
    {
        Expression value;
        if (Current is { Kind: TokenKind.Operator, Text: "-" or "+" })
        {
            Token sign = Next();
            Enter();
            value = new Unary(sign.Line, sign.Text, Signed(withFilters: false));
            _depth--;
        }
        else
        {
            value = Primary();
        }

        value = Postfix(value);
        return withFilters ? FiltersAndTests(value) : value;
    }

    private Expression Primary()
    {
        Token token = Next();
        switch (token)
        {
            case { Kind: TokenKind.Name, Text: "true" or "True" }:
                return new Constant(token.Line, true);
            case { Kind: TokenKind.Name, Text: "false" or "False" }:
                return new Constant(token.Line, false);
            case { Kind: TokenKind.Name, Text: "none" or "None" }:
                return new Constant(token.Line, null);
            case { Kind: TokenKind.Name }:
                foreach (HashSet<string> names in _mentioned) names.Add(token.Text);
                return new NameExpression(token.Line, token.Text);
            case { Kind: TokenKind.String }:
                var text = new StringBuilder(token.Text);
                while (Current.Kind == TokenKind.String) text.Append(Next().Text);
                return new Constant(token.Line, text.ToString());
            case { Kind: TokenKind.Integer or TokenKind.Float }:
                return new Constant(token.Line, token.Value);
            case { Kind: TokenKind.Operator, Text: "(" }:
                Expression inner = Tuple(inParentheses: true);
                Expect(")");
                return inner;
            case { Kind: TokenKind.Operator, Text: "[" }:
                return new ListExpression(token.Line, [.. Separated("]", () => Expression())]);
            case { Kind: TokenKind.Operator, Text: "{" }:
                return new DictExpression(token.Line, [.. Separated("}", Entry)]);
            case { Kind: TokenKind.PrintEnd or TokenKind.BlockEnd }:
                throw Error($"Expected an expression, got '{token.Describe()}'", token.Line);
            default:
                throw Unexpected(token, $"unexpected '{token.Describe()}'", "an expression");
        }
    }

    private (Expression Key, Expression Value) Entry()
    {
        Expression key = Expression();
        Expect(":");
        return (key, Expression());
    }

    private List<T> Separated<T>(string close, Func<T> item)
    {
        var items = new List<T>();
        while (!SkipOperator(close))
        {
            if (items.Count > 0)
            {
                Expect(",");
                if (SkipOperator(close)) break;
            }

            items.Add(item());
        }

        return items;
    }

    private Expression Postfix(Expression value)
    {
        while (Current.Kind == TokenKind.Operator)
        {
            if (Current.Text == "(") value = new Call(Current.Line, value, CallArguments());
            else if (Current.Text == ".") value = Attribute(value);
            else if (Current.Text == "[") value = Subscript(value);
            else break;
        }

        return value;
    }

    private Expression Attribute(Expression target)
    {
        int line = Next().Line;
        Token name = Next();
        return name.Kind switch
        {
            TokenKind.Name => new AttributeExpression(line, target, name.Text),
            TokenKind.Integer => new ItemExpression(line, target, new Constant(line, name.Value)),
            _ => throw Unexpected(name, "expected name or number", "name or number"),
        };
    }

    private Expression Subscript(Expression target)
    {
        int line = Next().Line;
        if (Current.IsOperator("]")) throw Error("Expected an expression, got ']'", line);
        Expression? start = Current.IsOperator(":") ? null : Expression();
        if (!SkipOperator(":"))
        {
            var keys = new List<Expression> { start! };
            while (SkipOperator(",") && !Current.IsOperator("]")) keys.Add(Expression());
            Expect("]");
            return new ItemExpression(line, target, keys.Count == 1 ? keys[0] : new TupleExpression(line, [.. keys]));
        }

        Expression? Part() => Current.IsOperator("]") || Current.IsOperator(":") ? null : Expression();
        Expression? stop = Part();
        Expression? step = SkipOperator(":") ? Part() : null;
        Expect("]");
        return new SliceExpression(line, target, start, stop, step);
    }

    private CallArguments CallArguments()
    {
        int line = Current.Line;
        Expect("(");
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? rest = null, restNamed = null;
        for (bool isFirst = true; !SkipOperator(")"); isFirst = false)
        {
            if (!isFirst)
            {
                Expect(",");
                if (SkipOperator(")")) break;
            }

            bool fits = restNamed is null;
            if (SkipOperator("*"))
            {
                fits &= rest is null;
                rest = Expression();
            }
            else if (SkipOperator("**"))
            {
                restNamed = Expression();
            }
            else if (Current.Kind == TokenKind.Name && Peek().IsOperator("="))
            {
                string name = Next().Text;
                _at++;
                named.Add((name, Expression()));
            }
            else
            {
                fits &= rest is null && named.Count == 0;
                positional.Add(Expression());
            }

            if (!fits) throw Error("invalid syntax for function call expression", line);
        }

        return new CallArguments([.. positional], [.. named], rest, restNamed);
    }

    private Expression FiltersAndTests(Expression value)
    {
        while (true)
        {
            if (Current.IsOperator("|")) value = Filters(value)!;
            else if (Current.IsName("is")) value = Test(value);
            else if (Current.IsOperator("(")) value = new Call(Current.Line, value, CallArguments());
            else return value;
        }
    }

    private Expression? Filters(Expression? value)
    {
        while (SkipOperator("|")) value = FilterAfterName(value);
        return value;
    }

    private FilterExpression FilterAfterName(Expression? value)
    {
        int line = Current.Line;
        string name = DottedName();
        return new FilterExpression(line, value, name, Current.IsOperator("(") ? CallArguments() : Templates.CallArguments.None);
    }

    private string DottedName()
    {
        string name = ExpectName();
        while (SkipOperator(".")) name += "." + ExpectName();
        return name;
    }

    private Expression Test(Expression value)
    {
        int line = Next().Line;
        bool negated = SkipName("not");
        string name = DottedName();
        CallArguments arguments = Templates.CallArguments.None;
        if (Current.IsOperator("("))
        {
            arguments = CallArguments();
        }
        else if (StartsTestArgument())
        {
            if (Current.IsName("is")) throw Error("You cannot chain multiple tests with is", Current.Line);
            Enter();
            arguments = arguments with { Positional = [Postfix(Primary())] };
            _depth--;
        }

        var test = new TestExpression(line, value, name, arguments);
        return negated ? new Not(line, test) : test;
    }

    private bool StartsTestArgument() => Current.Kind switch
    {
        TokenKind.Name => Current.Text is not ("else" or "or" or "and"),
        TokenKind.String or TokenKind.Integer or TokenKind.Float => true,
        _ => Current.IsOperator("[") || Current.IsOperator("{"),
    };
}
