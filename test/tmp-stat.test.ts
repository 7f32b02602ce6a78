import fc from "fast-check";
import { test } from "vitest";
import { compareStepByStep, type MakeMachine } from "../src/reference/compare.js";
import { ReferenceMachine } from "../src/reference/machine.js";
import { randomCase } from "./generate-program.js";
test("stat", () => {
  const cases = fc.sample(randomCase, { numRuns: 600, seed: 5 });
  const count: Record<string, number> = {};
  const add = (k: string, n = 1) => { count[k] = (count[k] ?? 0) + n; };
  for (const one of cases) {
    const seen = new Set<string>();
    class Observed extends ReferenceMachine {
      override access(...a: Parameters<ReferenceMachine["access"]>) { const o = super.access(...a); add("access done"); if (o === "ok") add("ok " + a[2]); return o; }
      override step(c: number) { const o = super.step(c); if (o === "disabled") add("disabled at " + this.next(c)!.op); return o; }
    }
    let last: ReferenceMachine | undefined;
    const make: MakeMachine = (p, c) => (last = new Observed(p, c));
    compareStepByStep(make, (p, c) => new ReferenceMachine(p, c), one);
    add("access wanted", one.schedule.filter((m) => m.do === "access").length);
    add("moves", one.schedule.length);
    add("calls", one.schedule.filter((m) => m.do === "run" || m.do === "start").length);
    for (const v of last!.state().oracle.violations) seen.add(v.invariant);
    for (let c = 0; c < one.config.cpus; c++) { add("cpus"); const n = last!.next(c); if (n) add("end at " + n.op); }
    for (const s of seen) add("case " + s);
    const d = compareStepByStep((p, c) => new ReferenceMachine(p, { ...c, assist: "legacy" }), (p, c) => new ReferenceMachine(p, { ...c, assist: "strict" }), one);
    if (d) add("assist differs");
  }
  console.log(Object.entries(count).sort((a, b) => b[1] - a[1]).map(([k, v]) => `${k}: ${v}`).join("\n"));
});
