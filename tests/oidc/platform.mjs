// The platform behind the gate: one pupil's record, whatever is asked.
//
//     node platform.mjs PORT

import { createServer } from "node:http";

const RECORD = JSON.stringify({ id: "7", full_name: "Secret Name", classrooms: ["6A"] });
const platform = createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(RECORD);
});
// Longer than the gateway keeps an idle connection.
platform.keepAliveTimeout = 60_000;
platform.listen(Number(process.argv[2]), "127.0.0.1");
