/** Starts the consumer from the environment. */
import { serve } from '../serve.js'
import { buildConsumer, loadHandlers } from './app.js'

await serve({
  name: 'consumer',
  portSetting: 'CONSUMER_PORT',
  build: async (start) => buildConsumer({ ...start, handlers: await loadHandlers() })
})
