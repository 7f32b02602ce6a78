import { borrowed, flushPrices } from "./borrow.js";
import { delivery, fittedPrices } from "./fitted.js";
import { kernelPrices, kernelWork } from "./linux-x86.js";
import { type Geometry, type MachinePreset, quantity } from "./preset.js";
import { remoteFrame } from "./remote-memory.js";
import { assumed, from } from "./sources.js";
import { zen4 } from "./zen4.js";

const milan = "2 x EPYC 7R13, median CAS round trip / 2";
const epyc = "EPYC 7713";
const next = "the same class of machine one generation later";

/** One array holds every page size. */
const withData4k: Geometry = { sharedWith: "l1d4k", ...from("ILX", "A", `CPUID 0x8000_0005, ${epyc}`) };
const withCode4k: Geometry = { sharedWith: "l1i4k", ...from("ILX", "A", `CPUID 0x8000_0005, ${epyc}`) };

export const zen3: MachinePreset = {
  name: "zen3",
  title: "AMD EPYC 7713 (Zen 3), 2 sockets x 64 cores x 2 threads, core complexes of 8, 3.6 GHz, PCID",
  ghz: quantity(3.6, "GHz", assumed("highest boost of the EPYC 7713 is 3.675; the base clock is 2.0")),
  topology: {
    threadsPerCore: quantity(2, "CPUs", assumed("both threads of each core")),
    coresPerCcx: quantity(8, "CPUs", assumed("eight cores share an L3 since Zen 3")),
    coresPerSocket: quantity(64, "CPUs", assumed("the cores of an EPYC 7713")),
    sockets: quantity(2, "CPUs", assumed("the commonest server")),
  },
  structures: {
    l1d4k: { entries: 64, ways: 64, ...from("ILX", "A", `CPUID 0x8000_0005, ${epyc}, fully associative`) },
    l1d2m: withData4k,
    l1d1g: withData4k,
    l1i4k: { entries: 64, ways: 64, ...from("ILX", "A", `CPUID 0x8000_0005, ${epyc}, fully associative`) },
    l1i2m: withCode4k,
    stlb: {
      entries: 2048,
      ways: 8,
      ...from(
        "ILX",
        "A",
        `CPUID 0x8000_0006, ${epyc}, data; instructions have 512 of their own, here they share`,
      ),
    },
    stlb1g: { entries: 64, ways: 64, ...from("ILX", "A", `CPUID 0x8000_0019, ${epyc}, fully associative`) },
    pde: zen4.structures.pde,
    pdpte: zen4.structures.pdpte,
    pml4e: zen4.structures.pml4e,
  },
  prices: {
    ...kernelPrices,
    access: quantity(1, "cycles", assumed("about one instruction a cycle while nothing misses")),
    stlbHit: quantity(5, "cycles", from("ILX", "A", "Vermeer (Zen 3), 15 to 20 cycles past the first level")),
    ...borrowed(zen4.prices, ["memL1", "memL2", "memL3", "memDram"], "zen4", next),
    lineSmt: quantity(8, "ns", assumed("as on Intel, 7 to 9 ns [C2C]; not measured on an AMD")),
    lineCcx: quantity(23, "ns", from("C2C", "A", `${milan}, same core complex`)),
    lineSocket: quantity(151, "ns", from("C2C", "A", `${milan}, other core complex`)),
    lineRemote: quantity(197, "ns", from("C2C", "A", `${milan}, other socket`)),
    store: quantity(1, "cycles", assumed("a store retires into the store buffer")),
    rmw: quantity(8, "cycles", from("ILX", "A", "Ryzen 9 5950X, XCHG m64 7.8, LOCK ADD m64 6.5")),
    fence: quantity(60, "cycles", from("ILX", "A", "Zen 3 MFENCE")),
    ...borrowed(zen4.prices, ["assist", ...flushPrices], "zen4", next),
    ...fittedPrices,
    ipiDeliverSmt: delivery(),
    ipiDeliverCcx: delivery(),
    ipiDeliverSocket: delivery(151 - 23),
    ipiDeliverRemote: delivery(197 - 23),
    frameRemote: remoteFrame(197 - 151),
  },
  work: kernelWork,
  ptiExtra: zen4.ptiExtra,
  pcid: true,
  pti: false,
};
