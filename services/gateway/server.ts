/** Starts the gateway from the environment. */
import { serve } from '../serve.js'
import { buildGateway } from './app.js'

await serve({
  name: 'gateway',
  portSetting: 'PORT',
  countProcesses: ({ WEB_CONCURRENCY }) => WEB_CONCURRENCY,
  build: buildGateway
})
