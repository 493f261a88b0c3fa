import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** How would a careful user of Kafka Streams write the delay-scoring work? RocksDB store with cache and changelog, Avro, ONNX Runtime. */
public final class DelayScoring {
    private static final int FEATURES = 20;
    private static final int HEADER = 5;
    private static final String STORE = "couriers";

    /** What is remembered of a courier. */
    private static final class Courier {
        private static final long SPAN_MS = 900_000;
        private long seen;
        private double ewma;
        private long last;
        private long[] recent = new long[0];

        /** Counts one assignment and returns the seconds since the one before it, -1 if there was none. */
        private double fold(long at, double km) {
            double since = seen == 0 ? -1 : (at - last) / 1000.0;
            ewma = seen == 0 ? km : ewma + 0.1 * (km - ewma);
            seen++;
            last = at;
            int first = 0;
            while (first < recent.length && recent[first] <= at - SPAN_MS) first++;
            long[] kept = new long[recent.length - first + 1];
            System.arraycopy(recent, first, kept, 0, kept.length - 1);
            kept[kept.length - 1] = at;
            recent = kept;
            return since;
        }

        private byte[] toBytes() {
            ByteBuffer out = ByteBuffer.allocate(24 + 8 * recent.length).putLong(seen).putDouble(ewma).putLong(last);
            out.asLongBuffer().put(recent);
            return out.array();
        }

        private static Courier of(byte[] bytes) {
            if (bytes == null) return null;
            ByteBuffer in = ByteBuffer.wrap(bytes);
            Courier courier = new Courier();
            courier.seen = in.getLong();
            courier.ewma = in.getDouble();
            courier.last = in.getLong();
            courier.recent = new long[in.remaining() / 8];
            in.asLongBuffer().get(courier.recent);
            return courier;
        }
    }

    /** Folds an assignment into its courier's state and answers with a prediction. */
    private static final class Score implements FixedKeyProcessor<String, GenericRecord, GenericRecord> {
        private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
        private final String model;
        private final Schema writes;
        private FixedKeyProcessorContext<String, GenericRecord> context;
        private KeyValueStore<String, Courier> couriers;
        private OrtSession session;
        private FloatBuffer row;
        private Map<String, OnnxTensor> inputs;

        private Score(String model, Schema writes) {
            this.model = model;
            this.writes = writes;
        }

        @Override
        public void init(FixedKeyProcessorContext<String, GenericRecord> given) {
            context = given;
            couriers = given.getStateStore(STORE);
            row = ByteBuffer.allocateDirect(4 * FEATURES).order(ByteOrder.nativeOrder()).asFloatBuffer();
            try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
                options.setIntraOpNumThreads(1);
                options.setInterOpNumThreads(1);
                session = environment.createSession(model, options);
                // One tensor over one direct buffer: written anew for each record, never copied.
                OnnxTensor tensor = OnnxTensor.createTensor(environment, row, new long[] {1, FEATURES});
                inputs = Map.of(session.getInputNames().iterator().next(), tensor);
            } catch (OrtException error) {
                throw new IllegalStateException("the model cannot be loaded: " + model, error);
            }
        }

        @Override
        public void process(FixedKeyRecord<String, GenericRecord> record) {
            GenericRecord fact = record.value();
            Courier known = couriers.get(record.key());
            Courier courier = known == null ? new Courier() : known;
            double km = (double) fact.get("distance_km");
            double since = courier.fold((long) fact.get("promised_at"), km);
            couriers.put(record.key(), courier);
            features(fact, courier, km, since);
            GenericRecord prediction = new GenericData.Record(writes);
            prediction.put("assignment_id", fact.get("assignment_id"));
            prediction.put("delay_s", (double) score());
            prediction.put("model_version", "rf-1");
            List<Double> seen = new ArrayList<>(FEATURES);
            for (int i = 0; i < FEATURES; i++) seen.add((double) row.get(i));
            prediction.put("features", seen);
            context.forward(record.withValue(prediction));
        }

        private void features(GenericRecord fact, Courier courier, double km, double since) {
            long hour = (long) fact.get("hour");
            long day = (long) fact.get("dow");
            double angle = 2 * Math.PI * hour / 24;
            row.clear();
            row.put((float) km).put((long) fact.get("items")).put(hour).put(day).put(number(fact, "temperature_c"));
            row.put((boolean) fact.get("rain") ? 1 : 0).put(number(fact, "traffic")).put(number(fact, "prep_min"));
            row.put(number(fact, "wind")).put(number(fact, "load")).put(number(fact, "rating"));
            row.put(courier.seen).put((float) courier.ewma).put((float) since).put(courier.recent.length);
            row.put((float) (km / courier.ewma)).put((float) Math.sin(angle)).put((float) Math.cos(angle));
            row.put(day >= 5 ? 1 : 0).put(Integer.parseInt(fact.get("restaurant_id").toString().substring(1)));
        }

        private static float number(GenericRecord fact, String name) {
            return (float) (double) fact.get(name);
        }

        private float score() {
            try (OrtSession.Result result = session.run(inputs)) {
                return ((float[][]) result.get(0).getValue())[0][0];
            } catch (OrtException error) {
                throw new IllegalStateException("the model cannot score", error);
            }
        }

        @Override
        public void close() {
            try {
                inputs.values().forEach(OnnxTensor::close);
                session.close();
            } catch (OrtException error) {
                throw new IllegalStateException("the model cannot be closed", error);
            }
        }
    }

    /** Avro behind five bytes: zero and the schema's id. */
    private static Serde<GenericRecord> avro(Schema schema, int id) {
        GenericDatumReader<GenericRecord> reader = new GenericDatumReader<>(schema);
        GenericDatumWriter<GenericRecord> writer = new GenericDatumWriter<>(schema);
        ByteArrayOutputStream out = new ByteArrayOutputStream(256);
        byte[] header = ByteBuffer.allocate(HEADER).put((byte) 0).putInt(id).array();
        BinaryDecoder[] decoder = {null};
        BinaryEncoder[] encoder = {null};
        Serializer<GenericRecord> serializer = (topic, value) -> {
            try {
                out.reset();
                out.write(header);
                encoder[0] = EncoderFactory.get().binaryEncoder(out, encoder[0]);
                writer.write(value, encoder[0]);
                encoder[0].flush();
                return out.toByteArray();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        Deserializer<GenericRecord> deserializer = (topic, bytes) -> {
            try {
                decoder[0] = DecoderFactory.get().binaryDecoder(bytes, HEADER, bytes.length - HEADER, decoder[0]);
                return reader.read(null, decoder[0]);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        return Serdes.serdeFrom(serializer, deserializer);
    }

    private static Properties settings(Map<String, String> given) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, given.get("--group"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.get("--brokers"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, given.get("--state"));
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 5);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
        return settings;
    }

    /** Works until SIGTERM; ends with 1 if the stream dies. */
    public static void main(String[] words) {
        Map<String, String> given = new HashMap<>();
        for (int i = 0; i + 1 < words.length; i += 2) given.put(words[i], words[i + 1]);
        Schema reads = new Schema.Parser().parse(given.get("--reads"));
        Schema writes = new Schema.Parser().parse(given.get("--writes"));
        Serde<Courier> courier = Serdes.serdeFrom((topic, value) -> value == null ? null : value.toBytes(), (topic, bytes) -> Courier.of(bytes));

        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), Serdes.String(), courier).withCachingEnabled());
        builder.stream(given.get("--topic"), Consumed.with(Serdes.String(), avro(reads, 1)))
            .processValues(() -> new Score(given.get("--model"), writes), STORE)
            .to(given.get("--out"), Produced.with(Serdes.String(), avro(writes, 2)));

        KafkaStreams streams = new KafkaStreams(builder.build(), settings(given));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) new Thread(() -> Runtime.getRuntime().halt(1)).start();
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
    }
}
