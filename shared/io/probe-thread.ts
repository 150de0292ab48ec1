/** Thread of a process that serves metrics and probes alone. */
import { Probes } from "./http-probes.js";
import { refuse } from "./http-server.js";
import { serveInThread } from "./http-thread.js";

await serveInThread(({ ask }) => {
  const probes = new Probes(ask);
  return Promise.resolve({
    request: (request, response) => {
      const path = (request.url ?? "/").replace(/\?.*/s, "");
      if (!probes.answer(path, request, response))
        refuse(response, 404, "served here: /metrics, /healthz, /readyz");
    },
  });
});
