/** Writes schema/*.json from the schemas in result.ts: `node dist/engine/write-schemas.js` after a build. */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { jsonSchemas } from "./json-schemas.js";

const folder = fileURLToPath(new URL("../../schema/", import.meta.url));
mkdirSync(folder, { recursive: true });
for (const [file, text] of Object.entries(jsonSchemas())) writeFileSync(folder + file, text);
