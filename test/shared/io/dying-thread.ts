/** A thread that serves the probes, and dies when it is told to. */
import { Probes } from "../../../shared/io/http-probes.js";
import { refuse } from "../../../shared/io/http-server.js";
import { serveInThread } from "../../../shared/io/http-thread.js";

await serveInThread(({ ask }) => {
  const probes = new Probes(ask);
  return Promise.resolve({
    request: (request, response) => {
      if (request.url === "/die") process.exit(1);
      if (!probes.answer(request.url ?? "", request, response)) refuse(response, 404);
    },
  });
});
