/** Starts the gateway from the environment. */
import { serve } from '../serve.js'
import { buildGateway } from './app.js'

await serve(buildGateway, 'PORT')
