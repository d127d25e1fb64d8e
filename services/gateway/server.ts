/** Starts the gateway from the environment. */

import { serve } from '../serve.js'
import { buildGateway } from './app.js'

await serve(
  (start) => buildGateway(start),
  ({ HOST, PORT }) => ({ host: HOST, port: PORT })
)
