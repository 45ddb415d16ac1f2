using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Exo.Kernels;

namespace Exo.Model.Generation;

/// <summary>How an engine loads and schedules.</summary>
public sealed record EngineOptions
{
    /// <summary>The arithmetic: fast, or exact.</summary>
    public Arithmetic Arithmetic { get; init; } = Arithmetic.Fast;

    /// <summary>Positions of a sequence, at most; 0 = what the model was trained on, at most 8,192.</summary>
    public int ContextLength { get; init; }

    /// <summary>Answers that are computed side by side; further requests wait, first in, first out.</summary>
    public int MaxRunning { get; init; } = 8;

    /// <summary>Requests that may wait.</summary>
    public int MaxWaiting { get; init; } = 1024;

    /// <summary>Prompt tokens computed in one step: a long prompt holds running answers up for no longer than that.</summary>
    public int PrefillChunk { get; init; } = 512;

    /// <summary>Refuses options outside their ranges, by name.</summary>
    /// <exception cref="ModelException">Says which and what was expected.</exception>
    internal void Validate()
    {
        Require(ContextLength >= 0, nameof(ContextLength), ContextLength, "0 or more");
        Require(MaxRunning is >= 1 and <= 4096, nameof(MaxRunning), MaxRunning, "1 to 4096");
        Require(MaxWaiting is >= 0 and <= 1 << 20, nameof(MaxWaiting), MaxWaiting, "0 to 1048576");
        Require(PrefillChunk >= 1, nameof(PrefillChunk), PrefillChunk, "1 or more");

        static void Require(bool holds, string name, int value, string expected)
        {
            if (!holds) throw new ModelException($"{name}: expected {expected}, got {value}");
        }
    }
}

/// <summary>
/// The embeddable engine: schedules requests over a <see cref="ModelRunner"/> and streams their tokens. An answer's bits do not depend on
/// what else is running. Safe for use by many threads.
/// </summary>
public sealed class Engine : IDisposable
{
    private readonly ModelRunner _runner;
    private readonly EngineOptions _options;
    private readonly ConcurrentQueue<Sequence> _arrived = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly Thread _thread;
    private readonly int _contextLength;
    private int _lastId;
    private int _numUnfinished;
    private int _isDisposed;
    private volatile bool _isStopping;

    /// <summary>An engine over any runner, which it owns from here on, also when it refuses its options.</summary>
    public Engine(ModelRunner runner, ModelText text, EngineOptions? options = null)
    {
        (_runner, Text, _options) = (runner, text, options ?? new EngineOptions());
        try
        {
            _options.Validate();
        }
        catch
        {
            runner.Dispose();
            throw;
        }
        long fits = (long)runner.NumPages * KvLayout.PageSize;
        _contextLength = (int)Math.Min(fits, new CacheSize(_options.ContextLength).PositionsOf(runner.Config));
        _thread = new Thread(Loop) { IsBackground = true, Name = "exo engine" };
        _thread.Start();
    }

    /// <summary>Tokenizer, chat template and end tokens.</summary>
    public ModelText Text { get; }

    /// <summary>The model's configuration.</summary>
    public ModelConfig Config => _runner.Config;

    /// <summary>Prompt and answer together, at most.</summary>
    public int ContextLength => _contextLength;

    /// <summary>Loads a model folder onto a device of this process, which the engine owns from here on, also when loading fails.</summary>
    public static Engine Load(
        Device device, string folder, EngineOptions? options = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default)
    {
        options ??= new EngineOptions();
        ModelText text;
        try
        {
            options.Validate();
            text = ModelText.Load(folder);
        }
        catch
        {
            device.Dispose();
            throw;
        }
        var cache = new CacheSize(options.ContextLength, options.MaxRunning);
        return new Engine(LocalRunner.Load(device, folder, options.Arithmetic, cache, progress, cancellation), text, options);
    }

    /// <summary>
    /// Streams the answer to a request. Cancelling, or ending the enumeration, cancels the request; no token is given out afterwards.
    /// </summary>
    /// <exception cref="RequestException">The request breaks a limit.</exception>
    /// <exception cref="EngineBusyException">Too many requests wait.</exception>
    public async IAsyncEnumerable<GeneratedToken> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        Sequence sequence = Enqueue(request);
        try
        {
            while (await sequence.Tokens.WaitToReadAsync(cancellation).ConfigureAwait(false))
            {
                while (!cancellation.IsCancellationRequested && sequence.Tokens.TryRead(out GeneratedToken? token)) yield return token;
                cancellation.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            sequence.Cancel();
            _wake.Set();
        }
    }

    /// <summary>Checks a request against the limits of the model and its context.</summary>
    public void Validate(GenerationRequest request)
    {
        int length = request.PromptIds.Length;
        if (length == 0) throw new RequestException("the prompt is empty");
        if (length >= _contextLength) throw new RequestException($"the prompt has {length} tokens, the context holds {_contextLength} with the answer");
        foreach (int id in request.PromptIds)
            if ((uint)id >= (uint)Config.VocabSize) throw new RequestException($"token id {id} of a vocabulary of {Config.VocabSize}");
        if (request.MaxTokens < 0) throw new RequestException($"max tokens {request.MaxTokens}: expected 0 or more");
        if (request.StopStrings.Any(string.IsNullOrEmpty)) throw new RequestException("a stop string is empty");
        request.Sampling.Validate();
        foreach (int id in request.Sampling.LogitBias.Keys)
            if (id >= Config.VocabSize) throw new RequestException($"LogitBias: token id {id} of a vocabulary of {Config.VocabSize}");
    }

    /// <summary>Waits for the step in flight, ends all answers with an <see cref="ObjectDisposedException"/>, and frees the runner.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0) return;
        _isStopping = true;
        _wake.Set(); // never disposed itself: requests that end later still set it
        _thread.Join();
        _runner.Dispose();
    }

    private Sequence Enqueue(GenerationRequest request)
    {
        ObjectDisposedException.ThrowIf(_isStopping, this);
        Validate(request);
        if (Interlocked.Increment(ref _numUnfinished) > _options.MaxRunning + _options.MaxWaiting)
        {
            Interlocked.Decrement(ref _numUnfinished);
            throw new EngineBusyException($"{_options.MaxWaiting} requests are waiting already");
        }
        int room = _contextLength - request.PromptIds.Length;
        int limit = request.PromptIds.Length + (request.MaxTokens == 0 ? room : Math.Min(room, request.MaxTokens));
        var sequence = new Sequence(
            Interlocked.Increment(ref _lastId),
            request,
            limit,
            Text.Tokenizer.CreateDetokenizer(),
            request.EndTokenIds ?? Text.EndTokenIds,
            () => Interlocked.Decrement(ref _numUnfinished));
        _arrived.Enqueue(sequence);
        _wake.Set();
        if (_isStopping) sequence.End(Stopped()); // the loop may have looked for the last time
        return sequence;
    }

    private void Loop()
    {
        var scheduler = new Scheduler(_runner, _options);
        while (!_isStopping)
        {
            while (_arrived.TryDequeue(out Sequence? sequence)) scheduler.Add(sequence);
            try
            {
                if (!scheduler.RunStep()) _wake.WaitOne();
            }
            catch (Exception error)
            {
                scheduler.FailRunning(error); // each of its consumers throws it
            }
        }
        scheduler.FailAll(Stopped());
        while (_arrived.TryDequeue(out Sequence? sequence)) sequence.End(Stopped());
    }

    private static ObjectDisposedException Stopped() => new(nameof(Engine));
}
