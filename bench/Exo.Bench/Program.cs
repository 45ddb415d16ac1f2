using System.CommandLine;
using Exo.Bench;
using Exo.Bench.Loading;
using Exo.Bench.Wire;

var root = new RootCommand("Measures kernels and the wire on this machine, beside what they are compared with.")
{
    AttentionBench.CreateCommand(),
    FirstTokenCommand.Create(),
    LoadCommand.Create(),
    MatMulBench.CreateCommand(),
    MoeBench.CreateCommand(),
    WireCommand.Create(),
    WireCommand.CreatePeer(),
    SwitchCommand.Create(),
};
return await root.Parse(args).InvokeAsync();
