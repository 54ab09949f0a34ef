"""The event log on Apache Kafka 4, by aiokafka."""

from mes.bus.kafka.bus import KafkaBus
from mes.bus.kafka.cluster import Cluster, TopicShape
from mes.bus.kafka.connection import Connection
from mes.bus.kafka.subscription import KafkaSubscription

__all__ = ["Cluster", "Connection", "KafkaBus", "KafkaSubscription", "TopicShape"]
