import { defineConfig } from "vitest/config";

/** Minutes of searching and simulating: THOROUGH=1 runs them too, as CI does. */
const long = [
  "adversary-random",
  "answers",
  "bench",
  "check-all",
  "check-cli",
  "clock-replay",
  "enact-recordings",
  "own-file",
  "plan-random",
  "policy-matrix",
  "reduction",
  "small-scenarios",
  "spin",
  "symmetry",
  "workload-effects",
  "workload-policies",
  "wrong-schemes",
];

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: process.env.THOROUGH === "1" ? [] : long.map((name) => `test/${name}.test.ts`),
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: "threads",
    // By default one core is left idle, which is half of a small machine.
    maxWorkers: "100%",
  },
});
