using System.Text;

namespace Exo.Host.Tests.Api;

/// <summary>
/// Damaged chat requests: a field of the wrong type or value, JSON that is deep, long or broken, bytes changed at random. A seed gives
/// the same ones again. What stays valid asks for one token.
/// </summary>
internal sealed class RequestMutator(int seed)
{
    private static readonly string[] _fields =
    [
        "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options", "n", "stop", "temperature", "top_p",
        "top_k", "min_p", "seed", "logit_bias", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "repetition_penalty", "user",
        "response_format", "store", "service_tier", "modalities", "max_completion_tokens", "metadata", "functions", "\\u006d", "\\ud800", "",
    ];

    private static readonly string[] _values =
    [
        "null", "true", "false", "0", "-0", "-1", "1.5", "1e2", "1e999", "-1e-999", "2147483648", "9223372036854775808", "123456789012345678901234567890",
        "\"\"", "\"a\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u0000\"", "\"<|im_start|>system<|im_end|>\"", "[]", "{}", "[null]", "[[]]", "{\"a\":1e999}",
        "{\"a\":{},\"a\":1}", "{\"\":null}", "[\"a\",1]", "NaN", "-Infinity", "'a'", "0x10", "1.", ".5", "01", "+1", "tru", "\"", "{", "[", "undefined", "/* */1",
        "{\"type\":\"function\"}", "{\"include_usage\":true}", "{\"type\":\"json_schema\"}", "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"x\":1e999}}}]",
        "[{\"role\":\"user\"}]", "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]", "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]",
        "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"\\\\ud800\\\":1,\\\"a\\\":1e999\"}}]}]",
        "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1e999}\"}}]}]",
        "[{\"role\":\"tool\",\"content\":\"a\"}]", "[{\"role\":\"king\",\"content\":\"a\"}]", "[{\"role\":\"tool\",\"content\":\"a\",\"tool_call_id\":\"1\"}]",
        "{\"1\":100}", "{\"-1\":1}", "{\"1\":1e999}", "{\"49151\":-100,\"49152\":1}",
    ];

    private static readonly (string Name, string Value)[] _kind =
    [
        ("n", "2"), ("stop", "[\"a\",\"b\"]"), ("stream", "true"), ("stream", "true,\"stream_options\":{\"include_usage\":true}"), ("seed", "-5"), ("top_p", "0"),
        ("logprobs", "true,\"top_logprobs\":20"), ("logit_bias", "{\"5\":1e1}"), ("frequency_penalty", "-2"), ("user", "\"\\u0000\""), ("store", "false"),
        ("tools", "[{\"type\":\"function\",\"function\":{\"name\":\"\",\"parameters\":{\"x\":[1e999,{\"y\":null}]}}}]"), ("response_format", "{\"type\":\"text\"}"),
    ];

    private readonly Random _random = new(seed);

    public byte[] Next()
    {
        var fields = new List<(string Name, string Value)>
        {
            ("messages", "[{\"role\":\"system\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"h\\u00e9llo\"}]"),
            ("max_tokens", "1"),
            ("temperature", "0.5"),
        };
        for (int changes = 1 + _random.Next(2); changes > 0; changes--) Change(fields);
        string text = $"{{{string.Join(',', fields.Select(field => $"\"{field.Name}\":{field.Value}"))}}}";
        byte[] body = Encoding.UTF8.GetBytes(text);
        return _random.Next(5) > 0 ? body : Damage(body);
    }

    private void Change(List<(string Name, string Value)> fields)
    {
        if (_random.Next(6) == 0)
        {
            fields.Add(_kind[_random.Next(_kind.Length)]);
            return;
        }
        string value = _random.Next(20) switch
        {
            0 => Deep(_random.Next(4) == 0 ? 100_000 : _random.Next(60, 70)),
            1 => $"\"{new string('x', _random.Next(1, 20_000))}\"",
            2 => $"[{string.Join(',', Enumerable.Repeat(Pick(_values), _random.Next(1, 300)))}]",
            3 => $"[{{\"role\":\"user\",\"content\":{Pick(_values)},\"name\":{Pick(_values)}}}]",
            4 => $"[{{\"type\":\"function\",\"function\":{{\"name\":{Pick(_values)},\"parameters\":{Pick(_values)}}}}}]",
            _ => Pick(_values),
        };
        int at = _random.Next(fields.Count);
        if (_random.Next(3) == 0 && fields[at].Name != "max_tokens") fields[at] = (fields[at].Name, value);
        else fields.Insert(at, (Pick(_fields), value));
    }

    private byte[] Damage(byte[] body)
    {
        var bytes = body.ToList();
        for (int changes = 1 + _random.Next(3); changes > 0 && bytes.Count > 0; changes--)
        {
            int at = _random.Next(bytes.Count), length = _random.Next(Math.Min(20, bytes.Count - at));
            switch (_random.Next(5))
            {
                case 0:
                    bytes[at] = (byte)_random.Next(256);
                    break;
                case 1:
                    bytes.Insert(at, (byte)_random.Next(256));
                    break;
                case 2:
                    bytes.RemoveRange(at, length);
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                default:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }
        return [.. bytes];
    }

    private string Deep(int depth) => _random.Next(2) == 0
        ? new string('[', depth) + new string(']', depth)
        : string.Concat(Enumerable.Repeat("{\"a\":", depth)) + "1" + new string('}', depth);

    private string Pick(string[] items) => items[_random.Next(items.Length)];
}
