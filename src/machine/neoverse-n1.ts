import { delivery, fittedPrices } from "./fitted.js";
import { kernelPrices, kernelWork } from "./linux-x86.js";
import { type Geometry, type MachinePreset, quantity } from "./preset.js";
import { remoteFrame } from "./remote-memory.js";
import { assumed, from } from "./sources.js";

/*
 * An Arm machine invalidates by broadcast: `--set shootdown=tlbi` is how its kernel flushes. The interrupts of the other variants
 * exist here too, at the prices of a server of the same years. PCIDs stand for ASIDs.
 */
const graviton = "Graviton 2, median CAS round trip / 2";
const manual = "Cortex-A76, whose core the Neoverse N1 is";

/** One array holds every page size. */
const withData4k: Geometry = { sharedWith: "l1d4k", ...from("A76", "A", manual) };
const withCode4k: Geometry = { sharedWith: "l1i4k", ...from("A76", "A", manual) };

export const neoverseN1: MachinePreset = {
  name: "neoverse-n1",
  title:
    "Arm Neoverse N1 (Graviton 2), 64 cores, 2.5 GHz, ASIDs; its kernel flushes with --set shootdown=tlbi",
  ghz: quantity(2.5, "GHz", assumed("clock of Graviton 2, as commonly quoted")),
  topology: {
    threadsPerCore: quantity(1, "CPUs", assumed("Neoverse N1 has no sibling threads")),
    coresPerCcx: quantity(64, "CPUs", assumed("one mesh: the socket is one core complex")),
    coresPerSocket: quantity(64, "CPUs", from("C2C", "A", "Graviton 2: 64 CPUs")),
    sockets: quantity(1, "CPUs", assumed("Graviton 2 is sold with one")),
  },
  structures: {
    l1d4k: { entries: 48, ways: 48, ...from("A76", "A", `${manual}, fully associative`) },
    l1d2m: withData4k,
    l1d1g: withData4k,
    l1i4k: { entries: 48, ways: 48, ...from("A76", "A", `${manual}, fully associative`) },
    l1i2m: withCode4k,
    stlb: { entries: 1280, ways: 5, ...from("A76", "A", `${manual}, one array for both sides`) },
    stlb1g: { sharedWith: "stlb", ...from("A76", "A", `${manual}, one array for all sizes`) },
    pde: {
      entries: 64,
      ways: 4,
      ...assumed("the walk cache of a Cortex-A55 [A55]; the N1's has no published size"),
    },
    pdpte: {
      entries: 8,
      ways: 4,
      ...assumed("Arm does not say; ChampSim's default, PSCL3 8 = 2 x 4 [CSIM]"),
    },
    pml4e: { entries: 4, ways: 4, ...assumed("Arm does not say; ChampSim's default, PSCL4 4 [CSIM]") },
  },
  prices: {
    ...kernelPrices,
    access: quantity(1, "cycles", assumed("about one instruction a cycle while nothing misses")),
    stlbHit: quantity(
      3,
      "cycles",
      from("A76", "A", `${manual}: the second level usually takes three cycles`),
    ),
    memL1: quantity(4, "cycles", assumed("load to use of the Neoverse N1, as commonly quoted")),
    memL2: quantity(11, "cycles", assumed("load to use of the Neoverse N1, as commonly quoted")),
    memL3: quantity(80, "cycles", assumed("the system cache of Graviton 2, about 30 ns, as commonly quoted")),
    memDram: quantity(100, "ns", assumed("local memory of Graviton 2, as commonly quoted")),
    lineSmt: quantity(47, "ns", assumed("as between cores: there are no sibling threads")),
    lineCcx: quantity(47, "ns", from("C2C", "A", graviton)),
    lineSocket: quantity(47, "ns", from("C2C", "A", graviton)),
    lineRemote: quantity(
      139,
      "ns",
      from("CNC", "C", "Graviton 4 between sockets, for runs with more than 64 CPUs"),
    ),
    store: quantity(1, "cycles", assumed("a store retires into the store buffer")),
    rmw: quantity(
      20,
      "cycles",
      assumed("an LSE atomic in the first-level cache; nobody published one for this machine"),
    ),
    fence: quantity(40, "cycles", assumed("DMB ISH with nothing outstanding; nobody published one")),
    invlpg: quantity(
      100,
      "cycles",
      assumed("TLBI VAE1 and DSB NSH; nobody published the pair for this machine"),
    ),
    flushPcid: quantity(150, "cycles", assumed("TLBI ASIDE1 and DSB NSH; nobody published the pair")),
    flushAll: quantity(200, "cycles", assumed("TLBI VMALLE1 and DSB NSH; nobody published the pair")),
    cr3Flush: quantity(
      200,
      "cycles",
      assumed("MSR TTBR0_EL1, ISB, TLBI ASIDE1 and DSB; nobody published it"),
    ),
    cr3NoFlush: quantity(50, "cycles", assumed("MSR TTBR0_EL1 and ISB; nobody published it")),
    assist: quantity(
      500,
      "cycles",
      assumed("as x86 [A22R]; hardware management of the dirty state on Arm was not measured"),
    ),
    ...fittedPrices,
    ipiDeliverSmt: delivery(),
    ipiDeliverCcx: delivery(),
    ipiDeliverSocket: delivery(),
    ipiDeliverRemote: delivery(139 - 47),
    frameRemote: remoteFrame(139 - 47),
  },
  work: kernelWork,
  ptiExtra: {
    entry: quantity(0, "ns", assumed("Neoverse N1 needs no page-table isolation")),
    exit: quantity(0, "ns", assumed("Neoverse N1 needs no page-table isolation")),
    invlpg: quantity(0, "ns", assumed("Neoverse N1 needs no page-table isolation")),
  },
  pcid: true,
  pti: false,
};
