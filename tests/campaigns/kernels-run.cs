// Runs Exo.Kernels.Tests inside its own process, without the sockets and child processes of a test platform: what an emulator can do.
// Usage: kernels-run [CLASS | -CLASS]...     (parts of names of classes to run, or to leave out; none: all); exits 0 where every test passed
#:project ../Exo.Kernels.Tests/Exo.Kernels.Tests.csproj
#:property PublishAot=false
#:property ValidateExecutableReferencesMatchSelfContained=false
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using Exo.Kernels;
using Exo.Kernels.Tests;
using Xunit;
using Xunit.Abstractions;
using Xunit.Sdk;

Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"{RuntimeInformation.ProcessArchitecture}, .NET {Environment.Version}, kernels {string.Join(' ', IsaSupport.Available)}, "
    + $"AdvSimd {AdvSimd.Arm64.IsSupported}, dot products {Dp.IsSupported}"));
var watch = Stopwatch.StartNew();
var framework = new XunitTestFramework(new Discarded());
using var cases = new Cases(args);
using (ITestFrameworkDiscoverer discoverer = framework.GetDiscoverer(Reflector.Wrap(typeof(ReductionTreeTests).Assembly)))
    discoverer.Find(includeSourceInformation: false, cases, new Options());
cases.Finished.Wait();

using var results = new Results(watch, Console.Out);
using (ITestFrameworkExecutor executor = framework.GetExecutor(typeof(ReductionTreeTests).Assembly.GetName()))
{
    var options = new Options();
    options.SetValue<bool?>("xunit.execution.DisableParallelization", true); // an emulator has enough to do with one test's threads
    executor.RunTests(cases.Found, results, options);
    results.Finished.Wait();
}
Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"{results.Passed} passed, {results.Failed} failed, {results.Skipped} skipped in {watch.Elapsed.TotalSeconds:F0} s"));
return results.Failed == 0 && results.Passed > 0 ? 0 : 1;

/// <summary>The test cases whose class is asked for.</summary>
internal sealed class Cases(string[] classes) : LongLivedMarshalByRefObject, IMessageSink, IDisposable
{
    public List<ITestCase> Found { get; } = [];

    public ManualResetEventSlim Finished { get; } = new();

    public bool OnMessage(IMessageSinkMessage message)
    {
        if (message is ITestCaseDiscoveryMessage found && IsWanted(found.TestClass.Class.Name)) Found.Add(found.TestCase);
        if (message is IDiscoveryCompleteMessage) Finished.Set();
        return true;
    }

    public void Dispose() => Finished.Dispose();

    private bool IsWanted(string name)
    {
        string[] wanted = [.. classes.Where(part => !part.StartsWith('-'))], unwanted = [.. classes.Where(part => part.StartsWith('-'))];
        return (wanted.Length == 0 || wanted.Any(part => name.Contains(part, StringComparison.Ordinal)))
            && !unwanted.Any(part => name.Contains(part[1..], StringComparison.Ordinal));
    }
}

/// <summary>Counts results; prints failures whole, and each class's time.</summary>
internal sealed class Results(Stopwatch watch, TextWriter output) : LongLivedMarshalByRefObject, IMessageSink, IDisposable
{
    public int Passed { get; private set; }

    public int Failed { get; private set; }

    public int Skipped { get; private set; }

    public ManualResetEventSlim Finished { get; } = new();

    public bool OnMessage(IMessageSinkMessage message)
    {
        lock (Finished) Count(message);
        if (message is ITestAssemblyFinished) Finished.Set();
        return true;
    }

    public void Dispose() => Finished.Dispose();

    private void Count(IMessageSinkMessage message)
    {
        switch (message)
        {
            case ITestPassed: Passed++; break;
            case ITestSkipped skipped:
                Skipped++;
                output.WriteLine($"SKIPPED {skipped.Test.DisplayName}: {skipped.Reason}");
                break;
            case ITestFailed failed:
                Failed++;
                output.WriteLine($"FAILED {failed.Test.DisplayName}: {string.Join(Environment.NewLine, failed.Messages)}");
                break;
            case IErrorMessage error: // a class or an assembly that could not be set up or torn down
                Failed++;
                output.WriteLine($"FAILED {string.Join(Environment.NewLine, error.Messages)}");
                break;
            case ITestClassFinished finished:
                output.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{watch.Elapsed.TotalSeconds,6:F0} s  {finished.TestsRun,4} tests  {finished.TestsFailed} failed  {finished.TestClass.Class.Name}"));
                break;
        }
    }
}

/// <summary>Discovery and execution as xunit has them by itself.</summary>
internal sealed class Options : LongLivedMarshalByRefObject, ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
{
    private readonly Dictionary<string, object?> _values = [];

    public TValue GetValue<TValue>(string name) => _values.TryGetValue(name, out object? value) ? (TValue)value! : default!;

    public void SetValue<TValue>(string name, TValue value) => _values[name] = value;
}

internal sealed class Discarded : LongLivedMarshalByRefObject, IMessageSink
{
    public bool OnMessage(IMessageSinkMessage message) => true;
}
