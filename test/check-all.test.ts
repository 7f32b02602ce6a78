/** `shootdown check` without arguments, as CI runs it: every verdict as stated, in bounded time and memory. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { checkResultSchema } from "../src/engine/check-result.js";
import { scenarioNamed, scenarioNames } from "../src/scenario/all.js";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
/** Two minutes on two cores. */
const CPU_SECONDS = 240;
const MEMORY_KIB = 2 * 2 ** 20;
/** Linux counts processor time in hundredths of a second. */
const TICKS = 100;

interface Usage {
  readonly cpuSeconds: number;
  readonly peakKib: number;
}

/** Of all threads of a process so far; undefined once it has ended. Source: proc(5). */
function usageOf(pid: number): Usage | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return peak === null
      ? undefined
      : { cpuSeconds: (Number(stat[11]) + Number(stat[12])) / TICKS, peakKib: Number(peak[1]) };
  } catch {
    return undefined;
  }
}

test.skipIf(!existsSync("/proc/self/stat"))(
  "every variant of every scenario is as stated, within two minutes on two cores and 2 GiB",
  { timeout: 900_000 },
  async () => {
    const child = spawn(process.execPath, [main, "check", "--quiet", "--json", "-"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let [stdout, usage] = ["", { cpuSeconds: 0, peakKib: 0 }];
    child.stdout.on("data", (text: Buffer) => {
      stdout += text.toString();
    });
    const ticker = setInterval(() => {
      usage = usageOf(child.pid!) ?? usage;
    }, 100);
    const code = await new Promise((resolve) => child.once("close", resolve));
    clearInterval(ticker);
    const { results } = checkResultSchema.parse(JSON.parse(stdout));
    const wrong = results.filter(({ asExpected }) => !asExpected);
    expect(wrong.map(({ scenario, variant, verdict }) => `${scenario}/${variant}: ${verdict}`)).toEqual([]);
    expect(code).toBe(0);
    const scenarios = await Promise.all(scenarioNames().map(scenarioNamed));
    const declared = scenarios.flatMap(({ name, variants }) =>
      Object.keys(variants).map((variant) => `${name}/${variant}`),
    );
    expect(results.map(({ scenario, variant }) => `${scenario}/${variant}`)).toEqual(declared);
    process.stdout.write(
      `${results.length} variants: ${usage.cpuSeconds.toFixed(0)} s of processor time, ${Math.round(usage.peakKib / 1024)} MiB\n`,
    );
    expect(usage.cpuSeconds).toBeGreaterThan(1);
    expect(usage.cpuSeconds).toBeLessThan(CPU_SECONDS);
    expect(usage.peakKib).toBeLessThan(MEMORY_KIB);
  },
);
