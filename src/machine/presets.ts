import { unknownName } from "../errors.js";
import type { MachinePreset } from "./preset.js";
import { skylakeSp, skylakeSpPti } from "./skylake-sp.js";
import { zen4 } from "./zen4.js";

/** Every machine that can be named. */
export const machines: readonly MachinePreset[] = [skylakeSp, skylakeSpPti, zen4];

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
