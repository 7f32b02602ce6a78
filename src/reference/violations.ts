/* What the oracle found. */
import type { AccessKind, InvariantName, MachineConfig, ViolationState } from "./state.js";
import { INVARIANT_NAMES } from "./state.js";

export interface Violation {
  readonly invariant: InvariantName;
  readonly cpu: number;
  readonly vpn: number;
  readonly kind: AccessKind;
  /** Sites: the step that made it possible, the step that should have prevented it; -1 for none. */
  readonly made: number;
  readonly broken: number;
}

/** What a CPU that stands for a device does wrong has another name. */
const DEVICES_OWN: ReadonlySet<InvariantName> = new Set(["stale-frame", "stale-right", "lost-write"]);

export class Violations {
  /** In the order in which they happened. */
  readonly all: Violation[] = [];
  private readonly config: MachineConfig;

  constructor(config: MachineConfig) {
    this.config = config;
  }

  add(found: Violation): void {
    const isDevices = this.config.devices?.includes(found.cpu) && DEVICES_OWN.has(found.invariant);
    this.all.push(isDevices ? { ...found, invariant: "stale-device" } : found);
  }

  state(): ViolationState[] {
    const cpus = Array.from({ length: this.config.cpus }, (_, cpu) => cpu);
    return INVARIANT_NAMES.flatMap((invariant) =>
      cpus.flatMap((cpu) => {
        const own = this.all.filter((one) => one.invariant === invariant && one.cpu === cpu);
        return own.length === 0 ? [] : [{ ...own[0]!, count: own.length }];
      }),
    );
  }
}
