import type { MachinePreset } from "../machine/preset.js";
import { machineNamed } from "../machine/presets.js";

/** The machine of --machine: a preset's name, or a YAML file. Throws: UsageError. */
export async function readMachine(named: string): Promise<MachinePreset> {
  if (!/\.ya?ml$|[/\\]/i.test(named)) return machineNamed(named);
  const { readMachineFile } = await import("../machine/yaml-machine.js");
  return readMachineFile(named);
}
