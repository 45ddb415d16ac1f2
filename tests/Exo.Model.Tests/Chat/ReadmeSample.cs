using Exo.Kernels;
using Exo.Model;
using Exo.Model.Chat;
using Exo.Model.Generation;
using Microsoft.Extensions.AI;

namespace Sample;

public static class Assistant
{
    public static async Task AnswerAsync(string question, TextWriter output)
    {
        using Engine engine = Engine.Load(CpuDevice.Create(), ModelLocator.Find("smollm2-135m-instruct"));
        using IChatClient client = new EngineChatClient(engine, "smollm2").AsBuilder().UseFunctionInvocation().Build();

        var options = new ChatOptions
        {
            MaxOutputTokens = 48,
            Temperature = 0.7f,
            Seed = 1,
            Tools = [AIFunctionFactory.Create(() => DateTime.Now.ToString("t"), "get_time", "The time of day.")],
        };
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(question, options))
            output.Write(update.Text);
    }
}
