/** The public door `shootdown/scenario`: what a question to the adversary is made of. */

export {
  type AccessKind,
  type Argument,
  type Case,
  type CaseMachine,
  type DirtyAssist,
  type Doing,
  INVARIANTS,
  type Invariant,
  type Liberty,
  type MemoryModel,
  type SetupStep,
  type Thread,
  type Verdict,
} from "../dsl/case.js";
export { type Scenario, type ScenarioVariant, type SearchBounds, scenario } from "./scenario.js";
export { call, load, type Stage, stage, store, switchTo, threadsOf } from "./stage.js";
