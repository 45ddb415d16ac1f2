using System.CommandLine;
using Exo.WeightsTools.Commands;

namespace Exo.WeightsTools;

/// <summary>The `exo-weights` command: looks at, checks, imports, exports and makes checkpoints.</summary>
public static class Program
{
    public static int Main(string[] args)
    {
        var root = new RootCommand("Tools for model checkpoints.")
        {
            InspectCommand.Create(),
            VerifyCommand.Create(),
            ImportGgufCommand.Create(),
            ExportGgufCommand.Create(),
            SynthCommand.Create(),
            TokenizeCommand.Create(),
            RenderCommand.Create(),
            LogitsCommand.Create(),
            CompareCommand.Create(),
        };
        return root.Parse(args).Invoke();
    }
}
