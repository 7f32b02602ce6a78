/**
 * The engine one step at a time: what differential tests, timing tests and the adversary drive. Time stands still unless the clock runs.
 */
import { type Program, RECORD_KINDS, type RecordKind } from "../dsl/program.js";
import { type PriceName, priceNames } from "../machine/preset.js";
import type {
  AccessKind,
  AccessOutcome,
  MachineConfig,
  MachineState,
  StepOutcome,
  SteppableMachine,
} from "../reference/state.js";
import { readState } from "./dump.js";
import type { Build } from "./load.js";
import { explainTrap } from "./trap.js";
import { type Charges, createWorld, type Structures, type World, type WorldSize } from "./world.js";

const NO_CHARGES: Charges = {
  prices: Object.fromEntries(priceNames.map((name) => [name, 0])) as Record<PriceName, number>,
  works: [],
  perCore: 1,
  perCcx: 1,
  perSocket: 1,
};

const TLB_ORDER = ["l1d4k", "l1d2m", "l1d1g", "l1i4k", "l1i2m", "stlb4k", "stlb1g"] as const;
const PWC_ORDER = ["pde", "pdpte", "pml4e"] as const;

/** The engine's side of a comparison with its twin. Traps become errors that say what happened. */
export class EngineMachine implements SteppableMachine {
  readonly program: Program;
  readonly config: MachineConfig;
  readonly world: World;
  /** Where CPU 0's contexts are, and from one CPU to the next. Looked up once: they are used at every step. */
  readonly #hwBase: number;
  readonly #hwStride: number;
  readonly #inIrq: number;
  readonly #pcs: readonly [task: number, handler: number];

  constructor(
    program: Program,
    config: MachineConfig,
    build: Build = "debug",
    charges: Charges = NO_CHARGES,
    /** What the configuration says nothing about. */
    more: Partial<WorldSize> = {},
  ) {
    this.program = program;
    this.config = config;
    const size = {
      cpus: config.cpus,
      mms: config.mms,
      tasks: config.tasks,
      tables: config.tables,
      frames: config.frames,
      radixBits: config.radixBits,
      model: config.model,
      assist: config.assist,
      storeBuffer: config.storeBuffer,
      ranges: 256,
      cache: 1024,
      ring: 64,
      lines: 64,
      oracle: true,
      freeHardware: config.freeHardware ?? false,
      canonical: config.cpus <= 16,
      ...(config.devices && { devices: config.devices }),
      quantum: 1000,
      slice: 1_000_000,
      boundOrder: 0,
      ...more,
    };
    const works = program.works.map((_, index) => charges.works[index] ?? 0);
    this.world = createWorld(build, program, size, structures(config), { ...charges, works });
    this.#hwBase = this.world.value("hwBase");
    this.#hwStride = this.world.value("hwStride");
    this.#inIrq = this.world.value("HW_IN_IRQ");
    this.#pcs = [this.world.value("HW_PC0"), this.world.value("HW_PC1")];
  }

  start(cpu: number, entry: string, args: readonly (number | bigint)[]): void {
    const { functions } = this.world;
    if (functions.isLive(cpu)) throw new Error(`CPU ${cpu} is in the kernel already`);
    args.forEach((value, register) => {
      const word = BigInt.asUintN(64, BigInt(value));
      functions.setRegister(cpu, register, Number(word & 0xffffffffn), Number(word >> 32n));
    });
    this.#guarded(() => functions.begin(cpu, this.world.entryPc(entry)));
  }

  step(cpu: number): StepOutcome {
    const { functions } = this.world;
    const before = this.#context(cpu);
    const cost = this.#guarded(() => functions.step(cpu));
    if (cost === -1) return "disabled";
    if (cost === -2) return "ended";
    return this.#context(cpu) === before && functions.isLive(cpu) ? "stepped" : "ended";
  }

  /** Takes the CPU's next step: its price in cycles, undefined when it is disabled or there is none. */
  tryStep(cpu: number): number | undefined {
    const cost = this.#guarded(() => this.world.functions.step(cpu));
    return cost < 0 ? undefined : cost;
  }

  /** The price of the CPU's next step; it is taken. Throws when it is disabled or there is none. */
  priceOfStep(cpu: number): number {
    const cost = this.#guarded(() => this.world.functions.step(cpu));
    if (cost < 0) throw new Error(`CPU ${cpu} cannot step`);
    return cost;
  }

  access(cpu: number, vpn: number, kind: AccessKind): AccessOutcome {
    const fault = this.#guarded(() => this.world.functions.access(cpu, BigInt(vpn), kind)) >>> 0;
    return fault === 0 ? "ok" : { fault: fault & 0x7fffffff };
  }

  deliver(cpu: number): boolean {
    if (!this.world.functions.canDeliver(cpu)) return false;
    this.#guarded(() => this.world.functions.deliver(cpu));
    return true;
  }

  drain(cpu: number, index: number): boolean {
    if (!this.world.functions.canDrain(cpu, index)) return false;
    this.#guarded(() => this.world.functions.drain(cpu, index));
    return true;
  }

  speculate(cpu: number, vpn: number): boolean {
    return this.#guarded(() => this.world.functions.speculate(cpu, BigInt(vpn))) !== 0;
  }

  complete(cpu: number, initiator: number): boolean {
    const { functions } = this.world;
    if (!functions.canComplete(cpu, initiator)) return false;
    this.#guarded(() => functions.complete(cpu, initiator));
    return true;
  }

  evict(cpu: number, vpn: number): boolean {
    return this.#guarded(() => this.world.functions.evict(cpu, BigInt(vpn))) !== 0;
  }

  setTask(cpu: number, task: number): void {
    this.world.u32[(this.#hw(cpu) + this.world.value("HW_TASK")) / 4] = (task + 1) >>> 0;
  }

  running(cpu: number): "task" | "interrupt" | null {
    if (this.#context(cpu) !== 0) return "interrupt";
    return this.world.functions.isLive(cpu) ? "task" : null;
  }

  /** The op that a CPU in the kernel executes next. */
  pc(cpu: number): number {
    return this.world.u32[(this.#hw(cpu) + this.#pcs[this.#context(cpu) === 0 ? 0 : 1]) / 4]!;
  }

  status(cpu: number): bigint {
    return this.world.u64[(this.#hw(cpu) + this.world.value("HW_STATUS0")) / 8]!;
  }

  peek(kind: RecordKind, record: number, word: number): bigint {
    return this.world.u64[this.#word(kind, record, word)]!;
  }

  poke(kind: RecordKind, record: number, word: number, value: bigint): void {
    this.world.u64[this.#word(kind, record, word)] = BigInt.asUintN(64, value);
  }

  state(): MachineState {
    return readState(this.world, TLB_ORDER, PWC_ORDER);
  }

  #word(kind: RecordKind, record: number, word: number): number {
    const at = this.world.value("RECORDS") / 4 + RECORD_KINDS.indexOf(kind) * 2;
    return (this.world.u32[at]! + this.world.u32[at + 1]! * record) / 8 + word;
  }

  #hw(cpu: number): number {
    return this.#hwBase + cpu * this.#hwStride;
  }

  #context(cpu: number): number {
    return this.world.u32[(this.#hw(cpu) + this.#inIrq) / 4]!;
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explainTrap(error, this.world);
    }
  }
}

/** The engine's ten arrays for a configuration by name; an array that does not exist has no ways. */
function structures(config: MachineConfig): Structures {
  const shape = ({ sets, ways }: { sets: number; ways: number }) =>
    sets === 0 ? { sets: 1, ways: 0 } : { sets, ways };
  const arrays = [
    ...TLB_ORDER.map((name) => shape(config.geometry[name])),
    ...PWC_ORDER.map((name) => shape(config.pwc[name])),
  ];
  const { data, fetch, second } = config.serves;
  const none = arrays.findIndex(({ ways }) => ways === 0);
  const serves = [...data, ...fetch, ...second].map((name) =>
    name === null ? none : TLB_ORDER.indexOf(name),
  );
  if (serves.includes(-1)) throw new RangeError("only a machine that lacks an array can do without one");
  return { arrays, serves };
}
