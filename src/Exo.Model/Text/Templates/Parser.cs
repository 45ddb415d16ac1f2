using System.Runtime.CompilerServices;

namespace Exo.Model.Text.Templates;

/// <summary>Jinja2's grammar, by recursive descent. This part reads statements; Parser.Expressions.cs reads expressions.</summary>
internal sealed partial class Parser
{
    private readonly string _name;
    private readonly ChatTemplateLimits _limits;
    private readonly List<Token> _tokens;

    // The names that each macro around the current position mentions: whether it uses caller, varargs or kwargs.
    private readonly Stack<HashSet<string>> _mentioned = new();
    private int _at;
    private int _depth;
    private int _loops;

    private Parser(string source, string name, ChatTemplateLimits limits)
    {
        _name = name;
        _limits = limits;
        if (source.Length > limits.MaxSource)
            throw new ChatTemplateException(ChatTemplateError.Limit, name, 0, $"a source of {source.Length} characters, at most {limits.MaxSource}");
        _tokens = Lexer.Tokenize(source, name);
    }

    /// <summary>Parses a whole template.</summary>
    public static Statement[] Parse(string source, string name, ChatTemplateLimits limits) => new Parser(source, name, limits).Body();

    private Token Current => _tokens[_at];

    private Token Next()
    {
        Token token = _tokens[_at];
        if (token.Kind != TokenKind.End) _at++;
        return token;
    }

    private Token Peek() => _tokens[Math.Min(_at + 1, _tokens.Count - 1)];

    private bool SkipName(string name)
    {
        if (!Current.IsName(name)) return false;
        _at++;
        return true;
    }

    private bool SkipOperator(string symbol)
    {
        if (!Current.IsOperator(symbol)) return false;
        _at++;
        return true;
    }

    private void Expect(string symbol)
    {
        if (!SkipOperator(symbol)) throw Unexpected(Current, $"expected token '{symbol}', got '{Current.Describe()}'", $"'{symbol}'");
    }

    private void Expect(TokenKind kind, string description)
    {
        if (Current.Kind != kind)
            throw Unexpected(Current, $"expected token '{description}', got '{Current.Describe()}'", $"'{description}'");
        _at++;
    }

    private string ExpectName()
    {
        if (Current.Kind != TokenKind.Name) throw Unexpected(Current, $"expected token 'name', got '{Current.Describe()}'", "'name'");
        return Next().Text;
    }

    private ChatTemplateException Unexpected(Token token, string reason, string expected) =>
        Error(token.Kind == TokenKind.End ? $"unexpected end of template, expected {expected}." : reason, token.Line);

    private ChatTemplateException Error(string reason, int line) => new(ChatTemplateError.Syntax, _name, line, reason);

    private void Enter()
    {
        if (++_depth > _limits.MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new ChatTemplateException(ChatTemplateError.Limit, _name, Current.Line, $"nested deeper than {_limits.MaxDepth} levels");
    }

    /// <summary>Statements up to (not including) the name that ends them; up to the end of the template without one.</summary>
    private Statement[] Body(params string[] ends)
    {
        Enter();
        var body = new List<Statement>();
        while (true)
        {
            Token token = Next();
            if (token.Kind == TokenKind.End)
            {
                if (ends.Length > 0) throw Error($"Unexpected end of template. Jinja was looking for the following tags: '{string.Join("' or '", ends)}'.", token.Line);
                break;
            }

            if (token.Kind == TokenKind.Text)
            {
                body.Add(new TextStatement(token.Line, token.Text));
            }
            else if (token.Kind == TokenKind.PrintStart)
            {
                body.Add(new Print(token.Line, [Tuple()]));
                Expect(TokenKind.PrintEnd, "end of print statement");
            }
            else
            {
                if (Current.Kind == TokenKind.Name && ends.Contains(Current.Text)) break;
                body.Add(Statement(token.Line));
                Expect(TokenKind.BlockEnd, "end of statement block");
            }
        }

        _depth--;
        return [.. body];
    }

    /// <summary>The body of a block whose start tag has been read up to its end, and the end tag's name.</summary>
    private Statement[] BodyUntil(string end)
    {
        Expect(TokenKind.BlockEnd, "end of statement block");
        Statement[] body = Body(end);
        _at++;
        return body;
    }

    private Statement Statement(int line)
    {
        if (Current.Kind != TokenKind.Name) throw Error("tag name expected", line);
        string tag = Next().Text;
        switch (tag)
        {
            case "if":
                return If(line);
            case "for":
                return For(line);
            case "set":
                return Set(line);
            case "macro":
                string name = ExpectName();
                return new MacroStatement(line, Definition(name, Parameters(), "endmacro"));
            case "call":
                return CallBlock(line);
            case "with":
                return With(line);
            case "filter":
                var filter = (FilterExpression)Filters(FilterAfterName(null))!;
                return new FilterBlock(line, filter, BodyUntil("endfilter"));
            case "generation":
                return new ScopedBody(line, BodyUntil("endgeneration"));
            case "block":
                return Block(line);
            case "print":
                return Print(line);
            case "break" or "continue":
                if (_loops == 0) throw Error($"'{tag}' outside loop", line);
                return new LoopControl(line, tag == "break" ? Flow.Break : Flow.Continue);
            case "include" or "import" or "from" or "extends":
                throw Error($"'{tag}' is not available: a chat template reads no other files", line);
            default:
                throw Error($"Encountered unknown tag '{tag}'.", line);
        }
    }

    private Print Print(int line)
    {
        var values = new List<Expression>();
        while (Current.Kind is not (TokenKind.BlockEnd or TokenKind.End))
        {
            if (values.Count > 0) Expect(",");
            values.Add(Expression());
        }

        return new Print(line, [.. values]);
    }

    private If If(int line)
    {
        var branches = new List<(Expression, Statement[])>();
        while (true)
        {
            Expression test = Tuple(conditional: false);
            Expect(TokenKind.BlockEnd, "end of statement block");
            branches.Add((test, Body("elif", "else", "endif")));
            string end = Next().Text;
            if (end == "elif") continue;
            return new If(line, [.. branches], end == "else" ? BodyUntil("endif") : []);
        }
    }

    private For For(int line)
    {
        Target target = Target("in");
        if (!SkipName("in")) throw Unexpected(Current, $"expected token 'in', got '{Current.Describe()}'", "'in'");
        Expression items = Tuple(conditional: false, end: "recursive");
        Expression? filter = SkipName("if") ? Expression() : null;
        bool isRecursive = SkipName("recursive");
        Expect(TokenKind.BlockEnd, "end of statement block");
        _loops++;
        Statement[] body = Body("endfor", "else");
        _loops--;
        return new For(line, target, items, filter, isRecursive, body, Next().Text == "else" ? BodyUntil("endfor") : []);
    }

    private Statement Set(int line)
    {
        Target target = Target(null, withNamespace: true);
        if (SkipOperator("=")) return new Set(line, target, Tuple());
        Expression? filter = Filters(null);
        return new SetBlock(line, target, (FilterExpression?)filter, BodyUntil("endset"));
    }

    private With With(int line)
    {
        var values = new List<(Target, Expression)>();
        while (Current.Kind is not (TokenKind.BlockEnd or TokenKind.End))
        {
            if (values.Count > 0) Expect(",");
            Target target = Target(null, single: true);
            Expect("=");
            values.Add((target, Expression()));
        }

        return new With(line, [.. values], BodyUntil("endwith"));
    }

    private ScopedBody Block(int line)
    {
        string name = ExpectName();
        while (SkipName("scoped") || SkipName("required"))
        {
        }

        Statement[] body = BodyUntil("endblock");
        SkipName(name);
        return new ScopedBody(line, body);
    }

    private CallBlock CallBlock(int line)
    {
        Parameter[] parameters = Current.IsOperator("(") ? Parameters() : [];
        if (Expression() is not Call call) throw Error("expected call", line);
        return new CallBlock(line, call, Definition(null, parameters, "endcall"));
    }

    private MacroDefinition Definition(string? name, Parameter[] parameters, string end)
    {
        int loops = _loops;
        _loops = 0;
        _mentioned.Push(new HashSet<string>(StringComparer.Ordinal));
        Statement[] body = BodyUntil(end);
        HashSet<string> mentioned = _mentioned.Pop();
        _loops = loops;
        return new MacroDefinition(
            name, parameters, body, mentioned.Contains("caller"), mentioned.Contains("varargs"), mentioned.Contains("kwargs"));
    }

    private Parameter[] Parameters()
    {
        Expect("(");
        var parameters = new List<Parameter>();
        while (!Current.IsOperator(")"))
        {
            if (parameters.Count > 0) Expect(",");
            int line = Current.Line;
            string name = ExpectName();
            Expression? otherwise = SkipOperator("=") ? Expression() : null;
            if (otherwise is null && parameters.Exists(parameter => parameter.Default is not null))
                throw Error("non-default argument follows default argument", line);
            parameters.Add(new Parameter(name, otherwise));
        }

        Expect(")");
        return [.. parameters];
    }

    /// <summary>What may stand left of `=` or `in`: a name, ns.attribute where allowed, or several of them.</summary>
    private Target Target(string? end, bool withNamespace = false, bool single = false)
    {
        var targets = new List<Target>();
        bool isTuple = false;
        do
        {
            if (targets.Count > 0 && (Current.IsOperator("=") || (end is not null && Current.IsName(end)))) break;
            targets.Add(OneTarget(withNamespace));
            if (single || !SkipOperator(",")) break;
            isTuple = true;
        }
        while (true);
        return isTuple ? new TupleTarget([.. targets]) : targets[0];
    }

    private Target OneTarget(bool withNamespace)
    {
        if (SkipOperator("("))
        {
            Enter();
            Target inner = Target(null, withNamespace);
            _depth--;
            Expect(")");
            return inner;
        }

        int line = Current.Line;
        if (Current.Kind != TokenKind.Name) throw Error($"can't assign to '{Current.Describe()}'", line);
        string name = Next().Text;
        if (name is "true" or "false" or "none" or "True" or "False" or "None") throw Error($"can't assign to '{name}'", line);
        return withNamespace && SkipOperator(".") ? new NamespaceTarget(name, ExpectName()) : new NameTarget(name);
    }
}
