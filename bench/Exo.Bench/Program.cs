using System.CommandLine;
using Exo.Bench;
using Exo.Bench.Wire;

var root = new RootCommand("Measures what DESIGN promises, on this machine, beside what it is compared with.")
{
    AttentionBench.CreateCommand(),
    MatMulBench.CreateCommand(),
    MoeBench.CreateCommand(),
    WireCommand.Create(),
    WireCommand.CreatePeer(),
    SwitchCommand.Create(),
};
return await root.Parse(args).InvokeAsync();
