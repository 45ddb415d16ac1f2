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
            ImportGgufCommand.Create(),
        };
        return root.Parse(args).Invoke();
    }
}
