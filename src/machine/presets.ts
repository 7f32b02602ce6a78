import { unknownName } from "../errors.js";
import { haswell } from "./haswell.js";
import { icelakeSp } from "./icelake-sp.js";
import { neoverseN1 } from "./neoverse-n1.js";
import type { MachinePreset } from "./preset.js";
import { sapphireRapids } from "./sapphire-rapids.js";
import { skylakeSp, skylakeSpPti } from "./skylake-sp.js";
import { zen3 } from "./zen3.js";
import { zen4 } from "./zen4.js";
import { zen5 } from "./zen5.js";

/** Every machine that can be named. */
export const machines: readonly MachinePreset[] = [
  haswell,
  skylakeSp,
  skylakeSpPti,
  icelakeSp,
  sapphireRapids,
  zen3,
  zen4,
  zen5,
  neoverseN1,
];

/** Throws: UsageError with the nearest name. */
export function machineNamed(name: string): MachinePreset {
  const machine = machines.find((candidate) => candidate.name === name);
  if (machine === undefined) {
    throw unknownName(
      "machine",
      name,
      machines.map((candidate) => candidate.name),
    );
  }
  return machine;
}
