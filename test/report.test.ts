import { describe, expect, test } from "vitest";
import { compareResult, ratioOf } from "../src/report/compare.js";
import { comparisonLines } from "../src/report/comparison.js";
import { latencyMetric, metricsOf } from "../src/report/metrics.js";
import { plain } from "../src/report/paint.js";
import { summaryLines } from "../src/report/summary.js";
import { tableLines } from "../src/report/table.js";
import { verdictLines } from "../src/report/verdict.js";
import { violationLines } from "../src/report/violations.js";
import { latencyRow, sampleRun, sampleViolation } from "./sample-run.js";

describe("tables", () => {
  test("columns are as wide as their widest text, numbers flush right, no blank ends a line", () => {
    const table = { head: ["", "eager", "deferred"], rows: [["flushes", "1,234", "7"], ["note"]] };
    expect(tableLines(table)).toEqual(["         eager  deferred", "flushes  1,234         7", "note"]);
  });

  test("a table without a head has no line for it", () => {
    expect(
      tableLines({
        rows: [
          ["zen4", "AMD"],
          ["vax", "DEC, 1977"],
        ],
        isText: true,
      }),
    ).toEqual(["zen4  AMD", "vax   DEC, 1977"]);
  });
});

describe("a comparison", () => {
  const eager = (seed: number) => sampleRun({ seed, ipis: { received: 1200 + seed } });
  const deferred = (seed: number) =>
    sampleRun({ seed, policy: "deferred", ipis: { received: 400 }, simulated: { cycles: 2_200_000 } });

  test("a ratio is null when the baseline never did it, and names its path in a run", () => {
    const runs = [sampleRun({ flushes: { full: 0 } }), deferred(1)];
    const { ratios } = compareResult("eager", runs, false);
    expect(ratios.find((one) => one.metric === "flushes.full")).toEqual({
      policy: "deferred",
      metric: "flushes.full",
      ratio: null,
      low: null,
      high: null,
    });
    const time = ratios.find((one) => one.metric === "simulated.cycles")!;
    expect(time).toMatchObject({ ratio: 0.88, low: 0.88, high: 0.88 });
    for (const { name, of } of metricsOf(runs)) {
      const atPath = name
        .split(".")
        .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], runs[0]);
      expect(of(runs[0]!), name).toBe(atPath);
    }
  });

  test("only runs of the same seed are compared", () => {
    const runs = [eager(1), eager(2), deferred(2), deferred(3)];
    const received = metricsOf(runs).find((metric) => metric.name === "ipis.received")!;
    expect(ratioOf(runs, "eager", "deferred", received)!.ratio).toBe(400 / 1202);
    expect(ratioOf([eager(1), deferred(2)], "eager", "deferred", received)).toBeUndefined();
  });

  test("the baseline has no ratios of its own, and an interrupted comparison says so", () => {
    const result = compareResult("eager", [eager(1), deferred(1)], true);
    expect(new Set(result.ratios.map((one) => one.policy))).toEqual(new Set(["deferred"]));
    expect(result.interrupted).toBe(true);
    expect("interrupted" in compareResult("eager", [eager(1)], false)).toBe(false);
  });

  test("a page of text says what ran, the numbers, the verdict and how far to trust it", () => {
    const result = compareResult("eager", [eager(1), deferred(1)], false);
    expect(comparisonLines(result, plain)).toEqual([
      "storm on skylake-sp, 2 CPUs, seed 1",
      "",
      "                             eager  deferred  / eager",
      "simulated time             1.00 ms    880 us   0.880x",
      "flushes, local                  10        10    1.00x",
      "flushes, remote                  8         8    1.00x",
      "flushes of everything            1         1    1.00x",
      "pages flushed                   40        40    1.00x",
      "IPIs received                1,201       400   0.333x",
      "shootdown, p50             1.60 us   1.60 us    1.00x",
      "shootdown, p99             3.60 us   3.60 us    1.00x",
      "munmap, mean               2.00 us   2.00 us    1.00x",
      "TLB misses (walks)              50        50    1.00x",
      "CPU time waiting for IPIs    10.0%     11.4%    1.14x",
      "",
      "deferred needs 3.0x fewer IPIs than eager and takes 12% less time; no violations.",
      "Cycle-approximate: read ratios, not absolutes; docs/modelling.md says what is left out.",
      "Configuration 0123456789ab (eager), 0123456789ab (deferred); 75 of 100 constants have grade D, the dearest prices.dsb, 1,250 cycles.",
    ]);
  });

  test("what Ctrl-C left is compared over the seeds that every policy finished", () => {
    const lines = comparisonLines(compareResult("eager", [eager(1), deferred(1), eager(2)], true), plain);
    expect(lines.slice(0, 2)).toEqual([
      "storm on skylake-sp, 2 CPUs, seed 1",
      "Interrupted: only finished runs are counted.",
    ]);
    expect(lines.find((line) => line.startsWith("IPIs received"))).toMatch(/1,201 +400 +0\.333x$/);
    const gaps = comparisonLines(compareResult("eager", [eager(1), eager(3)], true), plain);
    expect(gaps[0]).toBe("storm on skylake-sp, 2 CPUs, seeds 1, 3 (means)");
  });

  test("several seeds give means and intervals", () => {
    const lines = comparisonLines(
      compareResult(
        "eager",
        [1, 2, 3].flatMap((seed) => [eager(seed), deferred(seed)]),
        false,
      ),
      plain,
    );
    expect(lines[0]).toBe("storm on skylake-sp, 2 CPUs, seeds 1 to 3 (means)");
    expect(lines.find((line) => line.includes("deferred"))).toMatch(/eager +deferred +\/ eager \[95% CI\]$/);
    expect(lines.find((line) => line.startsWith("IPIs received"))).toMatch(
      /1,202 +400 +0\.333x \[0\.332, 0\.33[34]\]$/,
    );
  });

  test("a trace is described, and lines that were passed over are not hidden", () => {
    const trace = {
      ...{
        file: "a.log",
        format: "strace",
        unit: "line" as const,
        lines: 6184,
        calls: { madvise: 5996, munmap: 3, clone3: 7, wait4: 1 },
        failed: 0,
        joined: 30,
      },
      ...{
        threads: 9,
        forks: 1,
        pages: 0,
        codePages: 0,
        dataPages: 0,
        writtenPages: 0,
        others: {},
        skipped: 2,
      },
      accesses: { fetch: 0, load: 0, store: 0, modify: 0 },
    };
    const lines = comparisonLines(compareResult("eager", [sampleRun({ trace }), deferred(1)], false), plain);
    expect(lines.slice(1, 3)).toEqual([
      "trace: strace, 6,184 lines, 9 threads, 1 fork, 2 unreadable lines passed over, madvise 5,996, munmap 3, 8 other calls",
      "trace: no accesses recorded; which pages are touched is assumed (--touch)",
    ]);
  });
});

describe("the verdict", () => {
  const verdict = (...runs: Parameters<typeof sampleRun>[0][]): string[] =>
    verdictLines(compareResult("eager", runs.map(sampleRun), false));

  test.each([
    [{ ipis: { received: 0 } }, "needs no IPIs where eager does and takes as long"],
    [{ ipis: { received: 1080 } }, "needs 10% fewer IPIs than eager and takes as long"],
    [{ ipis: { received: 1206 } }, "needs 0.5% more IPIs than eager and takes as long"],
    [{ ipis: { received: 3000 } }, "needs 2.5x as many IPIs as eager and takes as long"],
    [{ ipis: { received: 75 } }, "needs 16x fewer IPIs than eager and takes as long"],
    [{ simulated: { cycles: 5_500_000 } }, "needs as many IPIs as eager and takes 2.2x as long"],
    [{ simulated: { cycles: 1_000_000 } }, "needs as many IPIs as eager and is 2.5x as fast"],
    [{ simulated: { cycles: 2_600_000 } }, "needs as many IPIs as eager and takes 4.0% more time"],
  ])("%j: %s", (parts, text) => {
    expect(verdict({}, { policy: "deferred", ...parts })).toEqual([`deferred ${text}; no violations.`]);
  });

  test("speaks of flushes where nobody sends an IPI", () => {
    const lines = verdict(
      { ipis: { received: 0 } },
      { policy: "deferred", ipis: { received: 0 }, flushes: { local: 1, remote: 0 } },
    );
    expect(lines[0]).toMatch(/^deferred needs 18x fewer flushes than eager/);
  });

  test("calls a difference within the noise of the seeds no difference", () => {
    const seeds = [1, 2, 3];
    const runs = seeds.flatMap((seed) => [
      { seed, simulated: { cycles: 2_500_000 } },
      { seed, policy: "deferred", simulated: { cycles: 2_450_000 + 50_000 * seed } },
    ]);
    expect(verdict(...runs)[0]).toBe(
      "deferred needs as many IPIs as eager and takes about as long; no violations.",
    );
  });

  test("has a sentence for each policy, and one for the violations of all", () => {
    const lines = verdict({}, { policy: "deferred" }, { policy: "unified", ipis: { received: 600 } });
    expect(lines).toEqual([
      "deferred needs as many IPIs as eager and takes as long.",
      "unified needs 2.0x fewer IPIs than eager and takes as long.",
      "No violations.",
    ]);
  });

  test("a violation is never left out, the baseline's neither", () => {
    const lines = verdict(
      { violations: [{ ...sampleViolation, count: 1 }] },
      { policy: "never", violations: [sampleViolation] },
    );
    expect(lines).toEqual([
      "never needs as many IPIs as eager and takes as long; 37 VIOLATIONS (stale-frame).",
      "eager: 1 VIOLATION (stale-frame).",
    ]);
  });

  test("violations of several kinds are counted one by one", () => {
    const right = { ...sampleViolation, invariant: "stale-right" as const, count: 1000 };
    const lines = verdict({}, { policy: "never", violations: [sampleViolation, right] });
    expect(lines[0]).toMatch(/; 1,037 VIOLATIONS \(37 stale-frame, 1,000 stale-right\)\.$/);
  });

  test("without a finished run of the baseline nothing is compared", () => {
    expect(verdict({ policy: "deferred" })).toEqual(["No run of eager was finished: nothing to compare."]);
  });
});

test("a violation is shown with the access, what made it stale and where a flush is missing", () => {
  const runs = [sampleRun(), sampleRun({ policy: "never", violations: [sampleViolation] })];
  expect(violationLines(runs, plain)).toEqual([
    "VIOLATION stale-frame under never: 37",
    "  first:          seed 1, at 100 us (cycle 250,000)",
    "  access:         load of 0x7f0000001000 by task 3 on CPU 3 reached frame 99",
    "  made stale by:  do_munmap.zap_pte_range, step 'ptep_get_and_clear' (src/kernel/memory.ts:120)",
    "  flush missing:  before do_munmap.tlb_finish_mmu, step 'free_page' (src/kernel/mmu_gather.ts:88)",
    "  what broke:     CPU 3 used a translation to frame 99 after it was freed",
  ]);
});

test("a run's summary shows its latencies and where the CPUs' time went", () => {
  const text = summaryLines(sampleRun({ latency: { munmap: latencyRow } }), plain).join("\n");
  expect(text).toContain("storm on skylake-sp, 2 CPUs, seed 1, policy eager");
  expect(text).toMatch(
    /latency +count +mean +p50 +p90 +p99 +max\nmunmap +10 +2\.00 us +1\.60 us +3\.20 us +3\.60 us +3\.96 us/,
  );
  expect(text).toMatch(/waiting for IPIs +10\.0%/);
  expect(text).toContain("eager: no violations.");
  expect(latencyMetric("brk", "mean").of(sampleRun())).toBe(0);
});
