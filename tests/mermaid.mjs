// Parses every diagram of the Markdown files that it is given with Mermaid itself, and prints a line with the file's path
// for each, then nodes and edges.
// `tests/proof` installs it beside its modules, as `mermaid-check`.
import fs from "node:fs";
import { JSDOM } from "jsdom";

// Mermaid wants a document, also where it only parses.
globalThis.window = new JSDOM("<body></body>").window;
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");

for (const file of process.argv.slice(2)) {
  const text = fs.readFileSync(file, "utf8");
  for (const [, diagram] of text.matchAll(/^```mermaid\n([^]*?)^```$/gm)) {
    console.log(`# ${file}`);
    await mermaid.parse(diagram);
    const { db } = await mermaid.mermaidAPI.getDiagramFromText(diagram);
    for (const { id, text } of db.getVertices().values()) console.log(`${id} ${text}`);
    for (const { start, end } of db.getEdges()) console.log(`${start} -> ${end}`);
  }
}
