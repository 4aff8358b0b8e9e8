// Reads all arrays of many stores through zarrita.js and says what it got. Run once for all stores, see tests/test_other_readers.py.
//
// The input is JSON, `[{"name", "reading", "location", "variables": {variable: dimensions}}]`; the output
// `{name: {reading: {variable: ...}}}` with, for each variable, either `{"shape", "dimensions", "type", "bytes" or "text"}` or
// `{"error"}`: a reader that fails is another thing than one that is wrong. Bytes are in base64 and in the order of this machine.
import { Repository } from "@earthmover/icechunk";
import { createFetchStorage } from "@earthmover/icechunk/fetch-storage";
import { createHttpVirtualChunkFetcher } from "@earthmover/icechunk/http-virtual-chunks";
import { ReferenceStore } from "@zarrita/storage";
import { text } from "node:stream/consumers";
import * as zarr from "zarrita";

// What the library is in a browser, WebAssembly, does not tell which containers a repository has; here their one is where the files are,
// the directory of the repository.
async function icechunk(location) {
  const storage = createFetchStorage(location);
  const access = { [new URL(".", location).href]: { type: "HttpAccess" } };
  const repository = await Repository.open(storage, undefined, access);
  await repository.setHttpVirtualChunkFetcher(createHttpVirtualChunkFetcher());
  return (await repository.readonlySession({ branch: "main" })).store;
}

const READINGS = {
  V2: [(location) => ReferenceStore.fromUrl(location), zarr.open.v2],
  V3: [(location) => ReferenceStore.fromUrl(location), zarr.open.v3],
  "V3 alone": [(location) => ReferenceStore.fromUrl(location), zarr.open.v3],
  Icechunk: [icechunk, zarr.open.v3],
};

async function read(root, open, name) {
  const array = await open(root.resolve(name), { kind: "array" });
  const { data, shape } = array.shape.length ? await zarr.get(array) : { data: await scalar(array), shape: [] };
  const found = { shape, dimensions: array.dimensionNames, type: array.dtype };
  if (Array.isArray(data)) return { ...found, text: data };
  return { ...found, bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64") };
}

// Not by `zarr.get`, which gives a number instead of the bytes that it was in the file.
async function scalar(array) {
  return (await array.getChunk([])).data;
}

function said(error) {
  const cause = error.cause ? `: ${said(error.cause)}` : "";
  return { error: `${error.name}: ${error.message}${cause}` };
}

async function look({ reading, location, variables }) {
  const names = Object.keys(variables);
  const [store, open] = READINGS[reading];
  const found = {};
  let root;
  try {
    root = zarr.root(await store(location));
  } catch (error) {
    return Object.fromEntries(names.map((name) => [name, said(error)]));
  }
  await Promise.all(names.map(async (name) => (found[name] = await read(root, open, name).catch(said))));
  return found;
}

const found = {};
for (const store of JSON.parse(await text(process.stdin))) {
  found[store.name] ??= {};
  found[store.name][store.reading] = await look(store);
}
process.stdout.write(JSON.stringify(found));
