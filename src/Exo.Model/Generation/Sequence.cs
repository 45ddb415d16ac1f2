using System.Threading.Channels;
using Exo.Kernels;
using Exo.Model.Text;

namespace Exo.Model.Generation;

/// <summary>A request on its way: where it stands, its pages, and the channel that its tokens go to.</summary>
internal sealed class Sequence
{
    private readonly StreamingDetokenizer _detokenizer;
    private readonly StopMatcher _stops;
    private readonly IReadOnlyCollection<int> _endTokenIds;
    private readonly Channel<GeneratedToken> _channel = Channel.CreateUnbounded<GeneratedToken>(
        new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly Action _onOver;
    private volatile bool _isCancelled;
    private int _isOver;
    private int _numGenerated;

    /// <summary>A request with its resolved limits. <paramref name="onOver"/> is called once, before its consumer can know of the end.</summary>
    public Sequence(
        int id, GenerationRequest request, int limit, StreamingDetokenizer detokenizer, IReadOnlyCollection<int> endTokenIds, Action onOver)
    {
        (Id, Request, Limit) = (id, request, limit);
        (_detokenizer, _endTokenIds, _onOver) = (detokenizer, endTokenIds, onOver);
        _stops = new StopMatcher(request.StopStrings);
    }

    public int Id { get; }

    public GenerationRequest Request { get; }

    /// <summary>Positions that the sequence may ever take: prompt and answer.</summary>
    public int Limit { get; }

    /// <summary>Pages held, all that <see cref="Limit"/> needs.</summary>
    public List<int> Pages { get; } = [];

    public int NumPagesNeeded => (Limit + KvLayout.PageSize - 1) / KvLayout.PageSize;

    /// <summary>Positions computed.</summary>
    public int Position { get; private set; }

    /// <summary>The last token, not computed yet.</summary>
    public int LastId { get; private set; }

    public bool IsPrefilling => Position < Request.PromptIds.Length;

    public bool IsFinished { get; private set; }

    /// <summary>True once the consumer has gone.</summary>
    public bool IsCancelled => _isCancelled;

    public ChannelReader<GeneratedToken> Tokens => _channel.Reader;

    /// <summary>Writes this sequence's part of a plan: at most <paramref name="budget"/> rows. Returns the rows taken.</summary>
    public int Plan(StepPlan plan, int budget)
    {
        SequenceStep step = plan.AddSequence();
        step.SequenceId = Id;
        step.FirstPosition = Position;
        step.AdmittedLimit = Limit;
        int[] prompt = Request.PromptIds;
        if (Position == 0) step.Start = new SequenceStart(Request.Sampling, prompt.Length, prompt);
        if (IsPrefilling) step.Ids.AddRange(prompt.AsSpan(Position, Math.Min(budget, prompt.Length - Position)));
        else step.Ids.Add(LastId);
        int end = Position + step.Ids.Count;
        for (int page = 0; page * KvLayout.PageSize < end; page++) step.Pages.Add(Pages[page]);
        if (end >= prompt.Length) step.Outputs.Add(new OutputRow(step.Ids.Count - 1, OutputKind.Sample));
        Position = end;
        return step.Ids.Count;
    }

    /// <summary>Takes the token that the step gave out.</summary>
    public void Accept(SampledToken token, IReadOnlyList<TokenLogprob> logprobs)
    {
        LastId = token.Id;
        _numGenerated++;
        string text = "";
        FinishReason? reason = null;
        if (_endTokenIds.Contains(token.Id)) reason = FinishReason.Stop;
        else
        {
            text = _stops.Append(_detokenizer.Append(token.Id));
            if (Request.PromptIds.Length + _numGenerated >= Limit) reason = FinishReason.Length;
        }
        if (reason is not null) text += _stops.Append(_detokenizer.Flush()) + _stops.Flush();
        if (_stops.IsStopped) reason = FinishReason.Stop;
        TokenLogprob[] top = token.TopEnd == token.TopStart
            ? []
            : [.. Enumerable.Range(token.TopStart, token.TopEnd - token.TopStart).Select(i => logprobs[i])];
        if (reason is not null) TellOver();
        _channel.Writer.TryWrite(new GeneratedToken(token.Id, text, token.Logprob, top, reason));
        if (reason is not null) End();
    }

    /// <summary>The consumer's side has gone; any thread.</summary>
    public void Cancel()
    {
        _isCancelled = true;
        TellOver();
    }

    /// <summary>Ends the sequence with an error, or without one where nobody listens.</summary>
    public void End(Exception? error = null)
    {
        IsFinished = true;
        TellOver();
        _channel.Writer.TryComplete(error);
    }

    private void TellOver()
    {
        if (Interlocked.Exchange(ref _isOver, 1) == 0) _onOver();
    }
}
