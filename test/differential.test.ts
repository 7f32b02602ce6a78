import { test } from "vitest";
import { EngineMachine } from "../src/engine/machine.js";
import type { MakeMachine } from "../src/reference/compare.js";
import { ReferenceMachine } from "../src/reference/machine.js";
import { expectAgreement } from "./agreement.js";

const twin: MakeMachine = (program, config) => new ReferenceMachine(program, config);

test("the debug engine agrees with the twin after every move", () => {
  expectAgreement((program, config) => new EngineMachine(program, config, "debug"), twin, 150, 20260801);
});

test("the release engine agrees with the twin after every move", () => {
  expectAgreement((program, config) => new EngineMachine(program, config, "release"), twin, 150, 20260802);
});
