/** What src/trace has WebAssembly do: decoding packed rows, and making records of rows whose pages are known. */
export { begin, decode } from "./decode";
export {
  ADDRESSES, ENTRIES, EXPECTED, KEYS, KINDS, PAGES_END, PAYLOAD, POSITIONS, RECORDS, ROWS, SIZES, SLOTS, THREADS,
} from "./layout";
export { forgetAll, knownRows, SLOT_SALT } from "./pages";
