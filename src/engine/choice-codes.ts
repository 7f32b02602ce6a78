/** Choices as the engine numbers them: see assembly/choose.ts. */

import type { Choice } from "../dsl/choices.js";
import type { World } from "./world.js";

const KINDS = {
  step: "CHOICE_STEP",
  interrupt: "CHOICE_INTERRUPT",
  drain: "CHOICE_DRAIN",
  liberty: "CHOICE_LIBERTY",
  broadcast: "CHOICE_BROADCAST",
} as const;

export function codeOf(world: World, choice: Choice): number {
  const kind = world.value(KINDS[choice.do]) << world.value("CHOICE_KIND_SHIFT");
  const cpu = "cpu" in choice ? choice.cpu << world.value("CHOICE_CPU_SHIFT") : 0;
  return kind | cpu | ("index" in choice ? choice.index : 0);
}

export function choiceFrom(world: World, code: number): Choice {
  const kind = code >>> world.value("CHOICE_KIND_SHIFT");
  const cpu = (code >>> world.value("CHOICE_CPU_SHIFT")) & world.value("CHOICE_INDEX_MASK");
  const index = code & world.value("CHOICE_INDEX_MASK");
  switch (kind) {
    case world.value("CHOICE_STEP"):
      return { do: "step", cpu };
    case world.value("CHOICE_INTERRUPT"):
      return { do: "interrupt", cpu };
    case world.value("CHOICE_DRAIN"):
      return { do: "drain", cpu, index };
    case world.value("CHOICE_LIBERTY"):
      return { do: "liberty", index: code & world.value("CHOICE_LIBERTY_MASK") };
    case world.value("CHOICE_BROADCAST"):
      return { do: "broadcast", cpu, index };
    default:
      throw new RangeError(`${code} is no choice`);
  }
}
