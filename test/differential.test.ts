import { describe, test } from "vitest";
import type { Build } from "../src/engine/load.js";
import { EngineMachine } from "../src/engine/machine.js";
import type { MakeMachine } from "../src/reference/compare.js";
import { ReferenceMachine } from "../src/reference/machine.js";
import { expectAgreement } from "./agreement.js";

/** SOAK=10000 runs that many cases from a seed of its own, which it prints before it starts. */
const soak = Number(process.env.SOAK ?? 0);
const runs = soak > 0 ? soak : 80;
const seed = soak > 0 ? Date.now() % 2 ** 31 : 20260801;
/** A case takes some 30 ms. */
const timeout = 60_000 + runs * 200;

const twin: MakeMachine = (program, config) => new ReferenceMachine(program, config);
const engine =
  (build: Build, canonical: boolean): MakeMachine =>
  (program, config) =>
    new EngineMachine(program, config, build, undefined, { canonical });

describe("engine and twin agree after every move of random programs and schedules", () => {
  if (soak > 0) console.log(`differential: ${runs} cases from seed ${seed}`);
  test("debug build", { timeout }, () => expectAgreement(engine("debug", true), twin, runs, seed));
  test("release build", { timeout }, () => expectAgreement(engine("release", true), twin, runs, seed + 1));
  test("as the clock has it", { timeout }, () =>
    expectAgreement(engine("debug", false), twin, runs, seed + 2),
  );
});
