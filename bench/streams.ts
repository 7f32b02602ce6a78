/** Synthetic access streams: what a user program could do, without the program. All figures are for 4 KiB pages. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
