/** The parts of docs/workloads.md that are made from the workloads themselves. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { runSimulation } from "../src/engine/run.js";
import { skylakeSp } from "../src/machine/skylake-sp.js";
import { count, seconds } from "../src/report/format.js";
import { wrapped } from "../src/report/wrap.js";
import { builtins } from "../src/workload/builtins.js";
import { root, textOf } from "./docs-text.js";

const file = "docs/workloads.md";
const width = 120;

/** Compares what stands between the markers of a name with `fresh`, or writes it there. */
export function expectPart(name: string, fresh: string): void {
  const whole = textOf(file);
  const [begin, end] = [`<!-- ${name}: begin -->\n`, `<!-- ${name}: end -->`];
  const [from, to] = [whole.indexOf(begin) + begin.length, whole.indexOf(end)];
  const text = `\n${fresh}\n\n`;
  if (process.env.UPDATE_GOLDEN === "1")
    writeFileSync(join(root, file), whole.slice(0, from) + text + whole.slice(to));
  else expect(whole.slice(from, to)).toBe(text);
}

/** A part for each built-in: what it is, what it stands for, what it takes. */
export function builtinParts(): string {
  return builtins
    .map(({ name, about, standsFor, parameters }) =>
      [
        `### ${name}`,
        "",
        `${about[0]!.toUpperCase()}${about.slice(1)}.`,
        "",
        ...wrapped(standsFor, width),
        "",
        "| parameter | unit | default | what |",
        "| --- | --- | --- | --- |",
        ...parameters.map(
          ({ name: parameter, unit, default: value, about: what }) =>
            `| \`${parameter}\` | ${unit} | ${value} | ${what} |`,
        ),
      ].join("\n"),
    )
    .join("\n\n");
}

const policies = ["eager", "deferred", "coherent"] as const;

/** A line for each built-in: what it costs with its defaults under each policy. */
export async function effects(): Promise<string> {
  const rows: string[] = [];
  for (const { name, open } of builtins) {
    const cells: string[] = [];
    for (const policy of policies) {
      const request = {
        machine: skylakeSp,
        policy,
        cpus: 8,
        seed: 1,
        workload: open({}, 8),
        workloadName: name,
      };
      const { simulated, ipis } = await runSimulation(request);
      cells.push(`${seconds(simulated.seconds)}, ${count(ipis.received)} IPIs`);
    }
    rows.push(`| \`${name}\` | ${cells.join(" | ")} |`);
  }
  return [
    `| workload | ${policies.join(" | ")} |`,
    `| --- ${"| --- ".repeat(policies.length)}|`,
    ...rows,
  ].join("\n");
}
