import { borrowed, flushPrices } from "./borrow.js";
import { delivery, fittedPrices } from "./fitted.js";
import { kernelPrices, kernelWork } from "./linux-x86.js";
import { type Geometry, type MachinePreset, quantity } from "./preset.js";
import { remoteFrame } from "./remote-memory.js";
import { assumed, from } from "./sources.js";
import { zen4 } from "./zen4.js";

const turin = "EPYC 9655";
const before = "the same class of machine one generation earlier";

/** One array holds every page size. */
const withData4k: Geometry = { sharedWith: "l1d4k", ...from("ILX", "A", `CPUID 0x8000_0005, ${turin}`) };
const withCode4k: Geometry = { sharedWith: "l1i4k", ...from("ILX", "A", `CPUID 0x8000_0005, ${turin}`) };

export const zen5: MachinePreset = {
  name: "zen5",
  title: "AMD EPYC 9655 (Zen 5), 2 sockets x 96 cores x 2 threads, core complexes of 8, 4.5 GHz, PCID",
  ghz: quantity(4.5, "GHz", assumed("highest boost of the EPYC 9655; the base clock is 2.6")),
  topology: {
    threadsPerCore: quantity(2, "CPUs", assumed("both threads of each core")),
    coresPerCcx: quantity(8, "CPUs", assumed("eight cores share an L3, as since Zen 3")),
    coresPerSocket: quantity(96, "CPUs", assumed("the cores of an EPYC 9655")),
    sockets: quantity(2, "CPUs", assumed("the commonest server")),
  },
  structures: {
    l1d4k: { entries: 96, ways: 96, ...from("ILX", "A", `CPUID 0x8000_0005, ${turin}, fully associative`) },
    l1d2m: withData4k,
    l1d1g: withData4k,
    l1i4k: { entries: 64, ways: 64, ...from("ILX", "A", `CPUID 0x8000_0005, ${turin}, fully associative`) },
    l1i2m: withCode4k,
    stlb: {
      entries: 4096,
      ways: 8,
      ...from(
        "ILX",
        "A",
        `CPUID 0x8000_0006, ${turin}, data; instructions have 2048 of their own, here they share`,
      ),
    },
    stlb1g: {
      entries: 1024,
      ways: 8,
      ...from("ILX", "C", `CPUID 0x8000_0019, ${turin}; the ways as those of 4 KiB`),
    },
    pde: zen4.structures.pde,
    pdpte: zen4.structures.pdpte,
    pml4e: zen4.structures.pml4e,
  },
  prices: {
    ...kernelPrices,
    access: quantity(1, "cycles", assumed("about one instruction a cycle while nothing misses")),
    ...borrowed(zen4.prices, ["stlbHit", "memL1", "memL2", "memL3", "memDram"], "zen4", before),
    ...borrowed(zen4.prices, ["lineSmt", "lineCcx", "lineSocket", "lineRemote"], "zen4", before),
    store: quantity(1, "cycles", assumed("a store retires into the store buffer")),
    rmw: quantity(20, "cycles", from("ILX", "A", "Ryzen 9 9950X, XCHG m64 19.9, LOCK ADD m64 19.7")),
    fence: quantity(82, "cycles", from("ILX", "A", "Zen 5 MFENCE")),
    ...borrowed(zen4.prices, ["assist", ...flushPrices], "zen4", before),
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
