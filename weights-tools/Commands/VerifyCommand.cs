using System.CommandLine;
using Exo.Model;
using Exo.WeightsTools.Verify;

namespace Exo.WeightsTools.Commands;

/// <summary>`exo-weights verify MODEL`: hashes on standard output, in sha256sum's form; what is wrong on standard error.</summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "A folder, or the name of a bundled model." };
        var command = new Command("verify", "Hashes a checkpoint's files and checks its tensors: headers, shapes, finite values.") { model };
        command.SetBody(arguments => Run(ModelLocator.Find(arguments.GetRequiredValue(model))));
        return command;
    }

    private static void Run(string folder)
    {
        long total = 2 * Directory.GetFiles(folder).Sum(f => new FileInfo(f).Length); // read once for the hash, once for the values
        Verification verification = null!;
        Terminal.Progress(folder, total, report => verification = Verifier.Verify(folder, report));
        foreach ((string name, string sha256) in verification.Hashes) Console.WriteLine($"{sha256}  {name}");
        foreach (string note in verification.Notes) Terminal.Say($"note: {note}");
        foreach (string problem in verification.Problems) Terminal.Say($"problem: {problem}");
        if (verification.Problems.Count > 0) throw new WeightsToolException($"{folder}: {verification.Problems.Count} problems");
        Terminal.Say($"{folder}: nothing wrong found");
    }
}
