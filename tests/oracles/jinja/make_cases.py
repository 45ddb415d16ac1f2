"""Writes tests/golden/jinja/more.json: what jinja2 makes of templates.txt, set up as Hugging Face transformers sets it up.

    pip install jinja2==3.1.6
    python3 tests/oracles/jinja/make_cases.py

The variables and the clock are those of tests/golden/jinja/cases.json.
"""

import datetime
import json
import pathlib
import re

import jinja2
import jinja2.ext
import jinja2.sandbox

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent.parent / "golden" / "jinja"


class Generation(jinja2.ext.Extension):
    """{% generation %} ... {% endgeneration %} prints its body, in a scope of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("body_of"), [], [], body).set_lineno(line)

    def body_of(self, caller):
        return caller()


def environment(now):
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = now.strftime
    return env


def outcome(env, template, variables):
    try:
        return {"expected": env.from_string(template).render(**variables)}
    except Exception as error:  # whatever jinja2 and Python raise is what we want to know
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    golden = json.loads((GOLDEN / "cases.json").read_text())
    now = datetime.datetime.fromisoformat(golden["now"])
    templates = re.split(r"\n====\n", (HERE / "templates.txt").read_text().rstrip("\n"))
    cases = [{"template": t} | outcome(environment(now), t, golden["variables"]) for t in templates]
    result = {"now": golden["now"], "variables": golden["variables"], "cases": cases}
    (GOLDEN / "more.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(cases)} cases, {sum('error' in c for c in cases)} of them errors")


if __name__ == "__main__":
    main()
